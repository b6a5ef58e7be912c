"""How a machine works out parity: where it looks, and what it answers when (Figures 6a, 7 and 17)."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.maps import colour_bar, tick_map
from ctm.analysis.panels import curve_so_far
from ctm.analysis.style import (
    BLUE,
    GREEN,
    HEAT,
    INK,
    MUTED,
    PAPER,
    SIGNS,
    TICK_COLOURS,
    canvas,
    picture_axis,
    plain,
    styled,
    tick_axis,
    to_frame,
    whole_numbers,
)
from ctm.certainty import certainty

MOST_HEADS = 8
"""With more heads than this, only the first are shown."""


class _Scene(NamedTuple):
    signs: np.ndarray  # (H, W), a square if L is one
    targets: np.ndarray  # (H, W)
    odd: np.ndarray  # (T, L), probability that the parity is odd
    right: np.ndarray  # (T,), share of positions answered rightly
    certainty: np.ndarray  # (T,)
    looked: np.ndarray  # (heads, T), the token each head looks at the most


def parity_picture(signs: Tensor, targets: Tensor, logits: Tensor, attention: Tensor, tick: int = -1) -> Figure:
    """One sequence and how its parity is found (Figures 6a and 7).

    Args:
        signs: (L,) the input, -1 or 1; drawn as a square if L is one, else as a row.
        targets: (L,) the parity of the input up to each position, 1 for odd.
        logits: (T, L, 2).
        attention: (T, heads, L).
        tick: the tick to show; negative ones count from the end.

    Returns:
        a figure: above, input, answer at this tick, target and, for every head, the path of the token it
        looks at the most up to this tick (coloured by tick, with a cross at the most certain); below, the
        answer over ticks, certainty and accuracy. Over a row, paths fall as time passes.
    """
    scene = _scene(signs, targets, logits, attention)
    return _draw(scene, range(len(scene.right))[tick])


def parity_frames(signs: Tensor, targets: Tensor, logits: Tensor, attention: Tensor) -> Iterator[np.ndarray]:
    """The same as an animation, one frame a tick; arguments as for `parity_picture`."""
    scene = _scene(signs, targets, logits, attention)
    for tick in range(len(scene.right)):
        yield to_frame(_draw(scene, tick))


@styled()
def accuracy_by_position(
    accuracy: Tensor, attention: Tensor | None = None, certain_ticks: Tensor | None = None
) -> Figure:
    """Accuracy of every position at every tick as a heat map (Figures 17 and 20).

    Args:
        accuracy: (T, L), from 0 to 1.
        attention: (T, L), mean over heads and samples, for a second map beside it.
        certain_ticks: (N, L), for every sample and position the tick of greatest certainty, counted from 0;
            drawn as mean and standard deviation.
    """
    figure = canvas(height=3.4, width=4.4 if attention is None else 8.0)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, 1 if attention is None else 2, squeeze=False)[0]
    _positions_map(panels[-1], plain(accuracy), "Accuracy", "viridis", 1.0)
    if attention is not None:
        _positions_map(panels[0], plain(attention), "Attention", HEAT, float(attention.max()))
    if certain_ticks is not None:
        ticks = plain(certain_ticks) + 1
        place, spread = np.arange(ticks.shape[1]) + 1, ticks.std(0)
        look: dict[str, Any] = {"fmt": "o", "color": INK, "markersize": 2.5, "linewidth": 0.8}
        panels[-1].errorbar(ticks.mean(0), place, xerr=spread, **look)
        panels[-1].set_title("Accuracy, and the most certain tick")
    return figure


LEARNED = 0.95
"""The accuracy from which a position counts as learned."""


@styled()
def learned_positions(iterations: Sequence[int], accuracy: Tensor) -> Figure:
    """Which positions a machine learns when (Figure 16).

    Args:
        iterations: N, when it was evaluated.
        accuracy: (N, L), of each position then, from 0 to 1.

    Returns:
        a figure with two panels: the accuracy of every position, coloured by iteration; and over the iterations, how
        many positions are right in 95 % of the sequences.
    """
    figure = canvas(height=2.9)
    figure.set_layout_engine("constrained")
    by_position, learned = figure.subplots(1, 2)
    length, last = accuracy.shape[1], max([*iterations, 1])
    for iteration, values in zip(iterations, plain(accuracy), strict=True):
        by_position.plot(range(1, length + 1), values, color=TICK_COLOURS(iteration / last), linewidth=1)
    by_position.set(title="Accuracy", xlabel="position", ylim=(0.4, 1.02))
    by_position.xaxis.set_major_locator(whole_numbers())
    scale = figure.colorbar(ScalarMappable(Normalize(0, last), TICK_COLOURS), ax=by_position)
    scale.set_label("iteration")
    learned.plot(iterations, plain((accuracy >= LEARNED).sum(1)), color=BLUE, marker="o", markersize=2.5)
    learned.axhline(length, color=MUTED, linestyle="--", linewidth=1)
    learned.set(title="Positions learned", xlabel="iteration", ylim=(0, None))
    learned.grid(axis="y")
    return figure


def _positions_map(axes: Axes, values: np.ndarray, title: str, colours: str | Colormap, most: float) -> None:
    """A heat map (T, L) with ticks from left to right and positions from top to bottom."""
    colour_bar(tick_map(axes, values, colours, most))
    axes.set(title=title, ylabel="position")
    axes.yaxis.set_major_locator(whole_numbers())
    tick_axis(axes, len(values))


def _scene(signs: Tensor, targets: Tensor, logits: Tensor, attention: Tensor) -> _Scene:
    side = math.isqrt(len(signs))
    shape = (side, side) if side * side == len(signs) else (1, len(signs))
    logits, targets = torch.as_tensor(logits).detach().cpu().float(), torch.as_tensor(targets).cpu()
    right = (logits.argmax(-1) == targets).float().mean(-1)  # (T,)
    return _Scene(
        plain(signs).reshape(shape),
        plain(targets).reshape(shape),
        plain(logits.softmax(-1)[..., 1]),
        plain(right),
        plain(certainty(logits, positions=1)),
        plain(torch.as_tensor(attention).argmax(-1))[:, :MOST_HEADS].T.astype(int),
    )


@styled()
def _draw(scene: _Scene, tick: int) -> Figure:
    (height, _), ticks, heads = scene.signs.shape, len(scene.right), len(scene.looked)
    columns = 1 if height == 1 else min(heads, 4)
    strip = 1.2 if height > 1 and heads <= 4 else 1.65  # inches for what is above
    inches = strip + 2.7
    figure = canvas(height=inches)
    bottom, tall = 0.48 / inches, 1.45 / inches
    halves = figure.add_gridspec(
        1, 2, left=0.02, right=0.985, top=1 - 0.3 / inches, bottom=1 - (0.3 + strip) / inches, wspace=0.12
    )
    grids = halves[0].subgridspec(*((3, 1) if height == 1 else (1, 3)), hspace=0.9, wspace=0.1)
    answer = scene.odd[tick].reshape(scene.signs.shape)
    _grid(figure.add_subplot(grids[0]), scene.signs, "Greys_r", -1.4, "Input")
    _grid(figure.add_subplot(grids[1]), answer, SIGNS, 0.0, "Answer")
    _grid(figure.add_subplot(grids[2]), scene.targets, SIGNS, 0.0, "Target")
    cells = halves[1].subgridspec(-(-heads // columns), columns, hspace=0.4, wspace=0.1)
    for head in range(heads):
        axes = figure.add_subplot(cells[divmod(head, columns)])
        _grid(axes, scene.signs, "Greys_r", -3.5, f"Head {head + 1}" if height > 1 or head == 0 else "")
        _path(axes, scene, head, tick)

    answers = figure.add_axes((0.065, bottom, 0.39, tall))
    tick_map(answers, np.where(np.arange(ticks)[:, None] <= tick, scene.odd, np.nan), SIGNS)
    answers.set(title="Answer over ticks", ylabel="position")
    course = figure.add_axes((0.565, bottom, 0.42, tall))
    for name, values, colour in (("certainty", scene.certainty, BLUE), ("accuracy", scene.right, GREEN)):
        curve_so_far(course, values, tick, size=22.0, color=colour, label=name)
    course.set_ylim(0, 1.05)
    course.legend(loc="lower right", ncols=2, bbox_to_anchor=(1.0, 0.98), borderaxespad=0)
    course.set_title(f"Tick {tick + 1} of {ticks}")
    for axes in (answers, course):
        axes.axvline(tick + 1, color=MUTED, linewidth=0.8)
        tick_axis(axes, ticks)
        axes.set_xlabel("internal tick", labelpad=1)
    return figure


def _grid(axes: Axes, values: np.ndarray, colours: str | Colormap, low: float, title: str) -> None:
    """The sequence as a square or a row, its cells set apart by thin lines."""
    height, width = values.shape
    axes.imshow(values, cmap=colours, vmin=low, vmax=1, aspect="auto" if height == 1 else "equal")
    axes.set_anchor("N")
    axes.set_title(title, fontsize=9, pad=3)
    picture_axis(axes)
    axes.vlines(np.arange(1, width) - 0.5, -0.5, height - 0.5, color=PAPER, linewidth=0.8)
    axes.hlines(np.arange(1, height) - 0.5, -0.5, width - 0.5, color=PAPER, linewidth=0.8)


def _path(axes: Axes, scene: _Scene, head: int, tick: int) -> None:
    """The tokens that a head looked at the most, up to a tick, with a cross at the most certain."""
    (height, width), ticks = scene.signs.shape, len(scene.right)
    row, column = np.divmod(scene.looked[head], width)
    fall = (np.arange(ticks) + 0.5) / ticks - 0.5 if height == 1 else 0
    points = np.stack([column, row + fall], axis=-1)[: tick + 1]  # (ticks so far, 2)
    colours = TICK_COLOURS(np.arange(len(points)) / max(ticks - 1, 1))
    segments = np.stack([points[:-1], points[1:]], axis=1)
    axes.add_collection(LineCollection(list(segments), colors=colours[1:], linewidths=1.8, capstyle="round"))
    axes.scatter(*points.T, c=colours, s=7, zorder=3)
    surest = scene.certainty.argmax()
    if surest <= tick:
        outline = [patheffects.Stroke(linewidth=4, foreground=PAPER), patheffects.Normal()]
        cross: dict[str, Any] = {"color": INK, "markersize": 7, "markeredgewidth": 2, "zorder": 4}
        axes.plot(*points[surest], "x", path_effects=outline, **cross)
