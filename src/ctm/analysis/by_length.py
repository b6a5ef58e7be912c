"""What a machine does against how long the route is (Figure 4)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.style import SERIES, canvas, plain, styled

GROUPS = 12
"""Most groups of samples of similar lengths."""
SMALLEST = 8
"""Samples of a group, at least."""


class Measured(NamedTuple):
    """A score of N samples, and their lengths."""

    lengths: Tensor  # (N,)
    scores: Tensor  # (N,)


@styled()
def score_by_length(measured: Mapping[str, Measured], title: str = "Accuracy") -> Figure:
    """A score from 0 to 1 against the length of the route (Figure 4a).

    Args:
        measured: by name, such as that of a model.
        title: what the score is called.

    Returns:
        a figure with a line for each name. A point stands for samples of similar lengths, equally many for each; bars
        are 95 % intervals of their mean.
    """
    figure = canvas(height=3.4, width=5.6)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.15, top=0.9)
    axes = figure.add_subplot()
    for (name, (lengths, scores)), colour in zip(measured.items(), SERIES * len(measured), strict=False):
        means_by_length(axes, plain(lengths), plain(scores), colour, name)
    axes.set(title=title, xlabel="moves of the route", ylim=(-0.02, 1.05))
    axes.set_xlim(left=0)
    axes.grid(axis="y")
    axes.legend(loc="lower left" if len(measured) < 3 else "upper right")
    return figure


def means_by_length(axes: Axes, lengths: np.ndarray, scores: np.ndarray, colour: str, name: str) -> None:
    """Draws the means of scores over groups of similar lengths, with intervals."""
    if not len(lengths):
        return
    order = np.argsort(lengths, kind="stable")
    parts = np.array_split(order, min(GROUPS, max(1, len(order) // SMALLEST)))
    place = [lengths[part].mean() for part in parts]
    error = [1.96 * scores[part].std() / len(part) ** 0.5 for part in parts]
    look: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 3.5, "elinewidth": 0.8}
    axes.errorbar(place, [scores[part].mean() for part in parts], yerr=error, label=name, **look)
