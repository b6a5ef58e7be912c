"""Maps of numbers: over ticks, and tables of shares with the numbers written in."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.image import AxesImage

from ctm.analysis.style import INK, PAPER


def tick_map(
    axes: Axes, values: np.ndarray, colours: str | Colormap, most: float = 1.0, *, first: int = 1, upwards: bool = False
) -> AxesImage:
    """A map of values from 0 to `most` over ticks, from left to right, counted from 1.

    Args:
        axes: where to draw.
        values: (T, rows); NaN stays empty.
        colours: of the values.
        most: the value of the last colour.
        first: what the first row is called.
        upwards: rows go up instead of down.
    """
    ticks, rows = values.shape
    edges = (first - 0.5, first + rows - 0.5)
    return axes.imshow(
        values.T, aspect="auto", cmap=colours, vmin=0, vmax=most, interpolation="nearest",
        origin="lower" if upwards else "upper", extent=(0.5, ticks + 0.5, *(edges if upwards else edges[::-1])),
    )  # fmt: skip


def table_of_shares(
    axes: Axes, shares: np.ndarray, write: Callable[[float], str], size: float, **look: Any
) -> AxesImage:
    """A map of shares (rows, columns) from 0 to 1, the first row below, with every share written in.

    Args:
        axes: where to draw.
        shares: the numbers.
        write: how.
        size: of the letters.
        look: what `imshow` takes besides.
    """
    image = axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, origin="lower", **look)
    for (row, column), share in np.ndenumerate(shares):
        colour = INK if share > 0.6 else PAPER
        axes.text(column, row, write(share), ha="center", va="center", fontsize=size, color=colour)
    return image


def colour_bar(image: AxesImage) -> None:
    """Beside a map, what its colours mean."""
    axes: Any = image.axes
    axes.figure.colorbar(image, ax=axes, pad=0.02, aspect=30).outline.set_visible(False)
