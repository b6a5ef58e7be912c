"""Longer ways than a model can say at once: how many are found, and how one looks (Figures 1c, 4b, 4c)."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.by_length import means_by_length
from ctm.analysis.style import MUTED, PAPER, SERIES, TICK_COLOURS, canvas, picture_axis, plain, styled, whole_numbers
from ctm.tasks.mazes.grid import Grids, pictures
from ctm.tasks.mazes.reapply import Journeys


@styled()
def journeys_picture(walked: Mapping[str, Journeys], horizon: int) -> Figure:
    """The share of mazes whose goal was reached, and how often the model was applied, against route length.

    Args:
        walked: journeys under their names, such as the size of the mazes.
        horizon: moves that the model says at once; drawn as a dashed line.

    Returns:
        a figure with two panels (Figure 4b, 4c). A point stands for mazes of similar route lengths, equally many for
        each; bars are 95 % intervals. Applications are of the journeys that reached the goal.
    """
    figure = canvas(height=3.4)
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.15, top=0.9, wspace=0.2)
    success, applied = figure.subplots(1, 2)
    for (name, journeys), colour in zip(walked.items(), SERIES * len(walked), strict=False):
        lengths, reached = plain(journeys.lengths), plain(journeys.reached)
        found = reached > 0
        means_by_length(success, lengths, reached, colour, name)
        means_by_length(applied, lengths[found], plain(journeys.applications)[found], colour, name)
    success.set_ylim(-0.02, 1.05)
    applied.set_ylim(bottom=0)
    applied.yaxis.set_major_locator(whole_numbers())
    for axes, title in ((success, "Goal reached"), (applied, "Applications to reach it")):
        axes.axvline(horizon, color=MUTED, linestyle="--", linewidth=1, label="one answer")
        axes.set(title=title, xlabel="moves of the route")
        axes.set_xlim(left=0)
        axes.grid(axis="y")
        axes.legend(loc="best")
    return figure


@styled()
def journey_picture(maze: Grids, journeys: Journeys, index: int = 0) -> Figure:
    """The way through one maze, in the colours of the applications that found it (Figure 1c).

    Args:
        maze: the mazes that were walked.
        journeys: how they were.
        index: which of them.
    """
    figure = canvas(height=5.4, width=5.0)
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.92)
    axes = figure.add_subplot()
    one = maze.take(slice(index, index + 1))
    axes.imshow(pictures(one.open, one.start, one.goal)[0].permute(1, 2, 0).numpy())
    picture_axis(axes)
    size, count = maze.open.shape[-1], int(journeys.applications[index])
    for application, leg in enumerate(journeys.places[index, :count]):
        colour = TICK_COLOURS(application / max(count - 1, 1))
        _leg(axes, leg, colour, 150 / size)
    reached = bool(journeys.reached[index])
    told = f"{'reached' if reached else 'not reached'} in {count} application{'s' * (count != 1)}"
    axes.set_title(f"{int(one.lengths[0])} moves to the goal: {told}")
    return figure


def _leg(axes: Axes, places: Tensor, colour: Any, width: float) -> None:
    """What one application walked, (S + 1, 2), from a dot on."""
    rows, columns = places.T.numpy()
    axes.plot(columns, rows, color=colour, linewidth=min(width, 5), zorder=3)
    axes.scatter(columns[0], rows[0], color=colour, edgecolors=PAPER, s=min(width, 5) ** 2 * 3, zorder=4)
