"""A machine finding its way: the route it imagines at every tick, and where it looks meanwhile (Figure 1)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.attention import as_maps, centre
from ctm.analysis.panels import at, certainty_so_far, heads, overlay
from ctm.analysis.style import BLUE, GREEN, MUTED, RED, canvas, picture_axis, styled, to_frame
from ctm.tasks.mazes.grid import STEPS, WAIT, Grids, padded, pictures, walk
from ctm.thoughts import Thoughts

RESOLUTION = 300
"""Pixels, at least, of a side of the maze under attention."""


class _Scene(NamedTuple):
    picture: Tensor  # (3, S, S)
    places: Tensor  # (T, L + 1, 2), where the route of every tick leads
    moves: Tensor  # (T, L)
    mistakes: Tensor  # (T, L)
    route: Tensor  # (L,), the right one
    maps: Tensor  # (T, heads, h, w)
    path: Tensor  # (T, 2), where attention lies
    certainty: Tensor  # (T,)


def maze_picture(thoughts: Thoughts, maze: Grids, *, sample: int = 0, tick: int | None = None) -> Figure:
    """One maze, and how a machine finds its way through it, at one tick (Figure 1a, 1b).

    Args:
        thoughts: from a call with `record=True` of a model that attends to a map.
        maze: the one it saw, (1, S, S), and the route through it.
        sample: which of the batch.
        tick: which tick; by default the most certain.

    Returns:
        a figure of 800 x 370: the route that it imagines, blue as long as it is right and red from the first wrong
        move on, with a cross for a move into a wall; the maze under the mean of all heads' attention, and the path of
        its centre coloured by tick; a map for every head; certainty up to this tick.
    """
    scene = _scene(thoughts, maze, sample)
    return _draw(scene, float(scene.certainty.argmax() if tick is None else range(thoughts.ticks)[tick]))


def maze_frames(thoughts: Thoughts, maze: Grids, *, sample: int = 0, steps: int = 2) -> Iterator[np.ndarray]:
    """The same as an animation over all ticks, `steps` frames a tick; arguments as for `maze_picture`."""
    scene = _scene(thoughts, maze, sample)
    for frame in range((thoughts.ticks - 1) * steps + 1):
        yield to_frame(_draw(scene, frame / steps))


def _scene(thoughts: Thoughts, maze: Grids, sample: int) -> _Scene:
    record = thoughts.recorded
    if record.attention is None or len(record.grid) != 2:
        raise ValueError("thoughts: expected recorded attention over a map")
    logits, certainty, attention = (
        values[sample].detach().cpu().float() for values in (thoughts.logits, thoughts.certainty, record.attention)
    )
    moves = logits.argmax(-1)  # (T, L)
    ticks, length = moves.shape
    maze = Grids(*(part.cpu() for part in maze))
    open, start = (part.expand(ticks, *part.shape[1:]) for part in maze[:2])
    places, mistakes, _ = walk(open, start, moves)
    maps = as_maps(attention, record.grid)  # (T, heads, h, w)
    route = padded(maze.moves, length)[0]
    picture = pictures(*maze[:3])[0]
    return _Scene(picture, places, moves, mistakes, route, maps, centre(maps.mean(1)), certainty)


@styled()
def _draw(scene: _Scene, time: float) -> Figure:
    figure = canvas(height=3.7)
    ticks, now = len(scene.path), int(time + 0.5)
    right = int((scene.moves[now] == scene.route).int().cumprod(0).sum())
    length = int((scene.route != WAIT).sum())
    title: dict[str, Any] = {"weight": "bold", "size": 10}
    solved = right == len(scene.route)
    figure.text(0.02, 0.93, "Route", **title)
    told = "solved ✓" if solved else f"{min(right, length)} of {length} moves right"
    figure.text(0.39, 0.93, told, color=GREEN if solved else MUTED, ha="right")
    figure.text(0.405, 0.93, f"Tick {now + 1}", **title)
    figure.text(0.775, 0.93, f"of {ticks}", color=MUTED, ha="right")
    figure.text(0.79, 0.93, "Attention heads", **title)
    figure.text(0.79, 0.42, "Certainty", **title)
    _route(figure.add_axes((0.02, 0.1, 0.37, 0.8)), scene, now)
    overlay(figure.add_axes((0.405, 0.1, 0.37, 0.8)), _enlarged(scene.picture), scene.maps, scene.path, time)
    heads(figure, at(scene.maps, time), (0.79, 0.9), 0.195)
    certainty_so_far(figure.add_axes((0.82, 0.16, 0.165, 0.23)), scene.certainty, time)
    return figure


def _enlarged(picture: Tensor) -> Tensor:
    """A picture (3, S, S) with cells of many pixels, so that attention over it is smooth."""
    times = -(-RESOLUTION // picture.shape[-1])
    return picture.repeat_interleave(times, 1).repeat_interleave(times, 2)


def _route(axes: Axes, scene: _Scene, tick: int) -> None:
    """The maze, and arrows along the route of a tick."""
    axes.imshow(scene.picture.permute(1, 2, 0).numpy())
    axes.set_anchor("N")
    picture_axis(axes)
    places, moves, mistakes = scene.places[tick], scene.moves[tick], scene.mistakes[tick]
    right = (moves == scene.route).int().cumprod(0).bool()
    steps = torch.tensor(STEPS)[moves]  # (L, 2)
    size = scene.picture.shape[-1]
    for chosen, colour in ((right, BLUE), (~right, RED)):
        going = chosen & ~mistakes & (moves != WAIT)
        (rows, columns), (down, across) = places[:-1][going].T, steps[going].T
        look: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "xy", "zorder": 3}
        shape: dict[str, Any] = {"width": 0.16, "headwidth": 3.4, "headlength": 3, "headaxislength": 2.7}
        axes.quiver(columns, rows, across, down, color=colour, **look, **shape)
    rows, columns = (places[:-1][mistakes] + 0.45 * steps[mistakes]).T
    axes.scatter(columns, rows, marker="x", color=RED, s=(90 / size) ** 2 / 4 + 8, linewidths=1.4, zorder=4)
