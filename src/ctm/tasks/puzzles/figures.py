"""A machine working on a puzzle: what it would answer at every tick, and where it looks meanwhile."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.attention import as_maps, contrast, smooth
from ctm.analysis.panels import at, certainty_so_far, heads
from ctm.analysis.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    RED,
    canvas,
    picture_axis,
    styled,
    to_frame,
)
from ctm.thoughts import Thoughts

WALL = "#"
"""The symbol whose cells are dark."""
UNWRITTEN = WALL + " .o"
"""Symbols that only the colour of their cells shows."""
TINT = 0.3
"""How much of its colour an answered cell has."""


class _Scene(NamedTuple):
    question: np.ndarray  # (H, W) symbols
    answers: np.ndarray  # (T, H, W) symbols
    target: np.ndarray | None  # (H, W) symbols
    sure: np.ndarray  # (T, H, W), probability of the answer
    maps: Tensor | None  # (T, heads, h, w), of a model that attends to a map
    certainty: Tensor  # (T,)
    box: tuple[int, int]


def puzzle_picture(
    thoughts: Thoughts,
    question: Sequence[str],
    symbols: str,
    target: Tensor | None,
    box: tuple[int, int],
    *,
    tick: int | None = None,
) -> Figure:
    """One puzzle at one tick.

    Args:
        thoughts: of a batch whose first is this puzzle, recorded.
        question: its symbols, a text for each row.
        symbols: what the classes of an answer mean.
        target: (H W,) the right classes, if known.
        box: rows and columns between two of the thicker lines.
        tick: which tick; by default the most certain.

    Returns:
        a figure of 800 x 370: the answer, its cells on green where they are right, on red where they are wrong, on blue
        where nobody knows, the digits the fainter the less likely they seem; the question, tinted where all heads look
        on average, and a map for every head, of a model that attends to a map; certainty up to this tick, on green
        where the whole answer is right.
    """
    scene = _scene(thoughts, question, symbols, target, box)
    return _draw(scene, float(scene.certainty.argmax() if tick is None else range(thoughts.ticks)[tick]))


def puzzle_frames(
    thoughts: Thoughts, question: Sequence[str], symbols: str, target: Tensor | None, box: tuple[int, int]
) -> Iterator[np.ndarray]:
    """The same as an animation, two frames a tick; arguments as for `puzzle_picture`."""
    scene = _scene(thoughts, question, symbols, target, box)
    for frame in range(2 * thoughts.ticks - 1):
        yield to_frame(_draw(scene, frame / 2))


def _scene(
    thoughts: Thoughts, question: Sequence[str], symbols: str, target: Tensor | None, box: tuple[int, int]
) -> _Scene:
    record = thoughts.recorded
    logits, certainty = (values[0].detach().cpu().float() for values in (thoughts.logits, thoughts.certainty))
    attention = record.attention if len(record.grid) == 2 else None
    asked, names = np.array([list(row) for row in question]), np.array(list(symbols))
    sure, classes = logits.softmax(-1).max(-1)  # (T, H W) each
    shape = (-1, *asked.shape)
    return _Scene(
        asked,
        names[classes.numpy()].reshape(shape),
        None if target is None else names[target.cpu().numpy()].reshape(asked.shape),
        sure.numpy().reshape(shape),
        None if attention is None else as_maps(attention[0].detach().cpu().float(), record.grid),
        certainty,
        box,
    )


@styled()
def _draw(scene: _Scene, time: float) -> Figure:
    figure = canvas(height=3.7)
    ticks, now = len(scene.answers), int(time + 0.5)
    title: dict[str, Any] = {"weight": "bold", "size": 10}
    figure.text(0.02, 0.93, "Answer", **title)
    figure.text(0.405, 0.93, f"Tick {now + 1}", **title)
    figure.text(0.775, 0.93, f"of {ticks}", color=MUTED, ha="right")
    figure.text(0.79, 0.42, "Certainty", **title)
    found = None
    if scene.target is not None:
        wrong = (scene.answers != scene.target).sum((1, 2))  # (T,)
        told = f"{wrong[now]} of {scene.target.size} cells wrong" if wrong[now] else "solved ✓"
        figure.text(0.39, 0.93, told, color=MUTED if wrong[now] else GREEN, ha="right")
        found = torch.from_numpy(wrong == 0)
    _answer(figure.add_axes((0.02, 0.06, 0.37, 0.84)), scene, now)
    _question(figure.add_axes((0.405, 0.06, 0.37, 0.84)), scene, time)
    if scene.maps is not None:
        figure.text(0.79, 0.93, "Attention heads", **title)
        heads(figure, at(scene.maps, time), (0.79, 0.9), 0.195)
    certainty_so_far(figure.add_axes((0.82, 0.16, 0.165, 0.23)), scene.certainty, time, found)
    return figure


def _answer(axes: Axes, scene: _Scene, tick: int) -> None:
    """The answer of a tick; cells that differ from the question, or are wrong, have a colour."""
    answer, target = scene.answers[tick], scene.target
    colours = np.full(answer.shape, BLUE, dtype=object)
    if target is not None:
        colours = np.where(answer == target, GREEN, RED)
    changed = (answer != scene.question) | (colours == RED)
    ground = _ground(scene.question)
    ground[changed] = [_mixed(PAPER, colour, TINT) for colour in colours[changed]]
    ink = np.where(changed, colours, INK)
    strength = np.where(changed, 0.25 + 0.75 * scene.sure[tick], 1.0)
    _cells(axes, ground, answer, ink, strength, scene.box)


def _question(axes: Axes, scene: _Scene, time: float) -> None:
    """The question, tinted where the heads look on average."""
    ground = _ground(scene.question)
    if scene.maps is not None:
        seen = contrast(smooth(at(scene.maps, time).mean(0), scene.question.shape))[..., None].numpy()  # (H, W, 1)
        ground = ((1 - 0.8 * seen) * ground + 0.8 * seen * np.array(to_rgb(ORANGE))).clip(0, 1)  # rounding errs
    ink, strength = np.full(scene.question.shape, INK), np.ones(scene.question.shape)
    _cells(axes, ground, scene.question, ink, strength, scene.box)


def _ground(symbols: np.ndarray) -> np.ndarray:
    """Colours of the cells of a question, (H, W, 3)."""
    return np.where((symbols == WALL)[..., None], to_rgb(INK), to_rgb(PAPER))


def _mixed(ground: str, colour: str, share: float) -> np.ndarray:
    return (1 - share) * np.array(to_rgb(ground)) + share * np.array(to_rgb(colour))


def _cells(
    axes: Axes,
    ground: np.ndarray,
    symbols: np.ndarray,
    ink: np.ndarray,
    strength: np.ndarray,
    box: tuple[int, int],
) -> None:
    """A grid of coloured cells (H, W, 3) with a symbol in each, and thicker lines around boxes."""
    height, width = symbols.shape
    axes.imshow(ground)
    axes.set_anchor("N")
    picture_axis(axes)
    if width <= 16:
        axes.hlines(np.arange(height + 1) - 0.5, -0.5, width - 0.5, color=FAINT, linewidth=0.8)
        axes.vlines(np.arange(width + 1) - 0.5, -0.5, height - 0.5, color=FAINT, linewidth=0.8)
    lines: dict[str, Any] = {"color": MUTED, "linewidth": 1.4, "clip_on": False}
    axes.hlines(np.arange(0, height + 1, box[0]) - 0.5, -0.5, width - 0.5, **lines)
    axes.vlines(np.arange(0, width + 1, box[1]) - 0.5, -0.5, height - 0.5, **lines)
    look: dict[str, Any] = {"ha": "center", "va": "center_baseline", "size": 110 / width, "weight": "bold"}
    for row, column in np.argwhere(~np.isin(symbols, list(UNWRITTEN))):
        place = row, column
        axes.text(column, row, symbols[place], color=ink[place], alpha=strength[place], **look)
