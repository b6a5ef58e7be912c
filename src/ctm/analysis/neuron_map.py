"""All neurons as points of a map, near to each other where they are active alike (Figure 11)."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.style import MUTED, SIGNS, canvas, picture_axis, plain, styled, to_frame

SNAPSHOTS = 10
"""Most ticks in the still picture."""
NEIGHBOURS = 20
"""How many neurons around it a neuron's place depends on; this, the distances and their measure as in the authors'
animations of single inputs."""


def neuron_map(activity: Tensor, seed: int = 0) -> np.ndarray:
    """Places all neurons in a plane by UMAP, from their activations at all ticks for many inputs.

    Args:
        activity: (N, T, D) post-activations; the paper takes 200 inputs.
        seed: of what UMAP draws.

    Returns:
        (D, 2).

    Raises:
        ModuleNotFoundError: without umap-learn.
        ValueError: for fewer than four neurons.
    """
    features = plain(activity.flatten(0, 1).T)  # (D, N * T)
    if len(features) < 4:
        raise ValueError(f"{len(features)} neurons: expected at least 4 for a map of them")
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a map of neurons needs umap-learn: pip install 'continuous-thought-machines[umap]'"
        ) from error
    neighbours = min(NEIGHBOURS, len(features) - 1)
    settings = {"n_neighbors": neighbours, "min_dist": 1.0, "metric": "cosine"}
    return UMAP(**settings, random_state=seed, n_jobs=1).fit_transform(features)


@styled()
def neuron_map_picture(places: np.ndarray, activity: Tensor, sample: int = 0) -> Figure:
    """The activity of all neurons during one thought, on a map, at some ticks.

    Args:
        places: (D, 2), from `neuron_map`.
        activity: (N, T, D) post-activations, as given to it.
        sample: which of the inputs.

    Returns:
        a figure with a map for each of at most ten ticks, from top left to bottom right. A neuron is blue where it is
        as low as it ever is, orange where it is as high, over all inputs and ticks but for the outermost hundredths.
    """
    shown = _levels(activity)[sample]  # (T, D)
    ticks = np.unique(np.linspace(0, len(shown) - 1, SNAPSHOTS).round().astype(int)).tolist()
    columns = min(5, len(ticks))
    rows = math.ceil(len(ticks) / columns)
    height = rows * (8.0 / columns + 0.22)
    figure = canvas(height)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=1 - 0.22 / height, wspace=0.04, hspace=0.13)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in panels[len(ticks) :]:
        axes.remove()
    for axes, tick in zip(panels, ticks, strict=False):
        _draw(axes, places, shown[tick], size=1500.0)
        axes.set_title(f"tick {tick + 1}", pad=3)
    return figure


def neuron_map_frames(places: np.ndarray, activity: Tensor, sample: int = 0, steps: int = 2) -> Iterator[np.ndarray]:
    """The same as an animation over all ticks.

    Args:
        places: as for `neuron_map_picture`.
        activity: as for `neuron_map_picture`.
        sample: as for `neuron_map_picture`.
        steps: frames from one tick to the next; with more than 1, what happens is interpolated.

    Returns:
        (T - 1) * steps + 1 frames of 480 x 500.
    """
    shown = _levels(activity)[sample]  # (T, D)
    for frame in range((len(shown) - 1) * steps + 1):
        before, part = divmod(frame / steps, 1)
        after = min(int(before) + 1, len(shown) - 1)
        yield _frame(places, (1 - part) * shown[int(before)] + part * shown[after], round(before + part) + 1)


@styled()
def _frame(places: np.ndarray, levels: np.ndarray, tick: int) -> np.ndarray:
    figure = canvas(height=5.0, width=4.8)
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.94))
    axes.set_title(f"tick {tick}", pad=4)
    _draw(axes, places, levels, size=12000.0)
    return to_frame(figure)


def _draw(axes: Axes, places: np.ndarray, levels: np.ndarray, size: float) -> None:
    axes.scatter(
        *places.T, c=levels, cmap=SIGNS, vmin=0, vmax=1, s=max(2, size / len(places)), edgecolors=MUTED, linewidths=0.3
    )
    axes.margins(0.06)
    picture_axis(axes)


def _levels(activity: Tensor) -> np.ndarray:
    """Activity (N, T, D) from 0 to 1, each neuron by its own range."""
    values = plain(activity)
    low, high = np.quantile(values, (0.01, 0.99), axis=(0, 1))  # (D,)
    return ((values - low) / np.maximum(high - low, 1e-12)).clip(0, 1)
