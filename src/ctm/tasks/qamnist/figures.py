"""Questions about digits: what is shown and said at every tick, and how far a machine generalises (Figures 31, 32)."""

import bisect
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from ctm.analysis.attention import contrast, smooth
from ctm.analysis.maps import colour_bar, table_of_shares, tick_map
from ctm.analysis.panels import curve_so_far
from ctm.analysis.style import (
    BLUE,
    FAINT,
    GREEN,
    HEAT,
    INK,
    MUTED,
    PAPER,
    RED,
    canvas,
    picture_axis,
    plain,
    styled,
    tick_axis,
    to_frame,
)
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.qamnist.questions import SIGNS
from ctm.thoughts import Thoughts


class _Scene(NamedTuple):
    pictures: np.ndarray  # (n, H, W), from 0 to 1
    heat: np.ndarray  # (T, H, W), attention to the picture that is shown, from 0 to 1
    question: list[int]
    ends: list[int]  # (parts + 2,) the tick before which each part begins, and the last one ends
    probabilities: np.ndarray  # (T, C)
    certainty: np.ndarray  # (T,)
    target: int | None

    def part(self, tick: int) -> int:
        """Which picture, symbol or (the last) silence is there at a tick."""
        return bisect.bisect_right(self.ends, tick) - 1


def question_picture(
    thoughts: Thoughts, pictures: Tensor, question: Tensor, target: int | None = None, tick: int = -1
) -> Figure:
    """One question, and what the machine would answer at every tick (Figure 32).

    Args:
        thoughts: of a batch whose first sample this is, recorded, in a pass from the start.
        pictures: (n, 1, H, W).
        question: (m,) symbols.
        target: the right answer, if known.
        tick: the tick to show; negative ones count from the end.

    Returns:
        a figure: on the left what is shown at the tick, with the mean of all heads' attention; on the right all that is
        shown over ticks, the probabilities of the answers up to the tick, and certainty.
    """
    scene = _scene(thoughts, pictures, question, target)
    return _draw(scene, range(thoughts.ticks)[tick])


def question_frames(
    thoughts: Thoughts, pictures: Tensor, question: Tensor, target: int | None = None
) -> Iterator[np.ndarray]:
    """The same as an animation, one frame a tick; arguments as for `question_picture`."""
    scene = _scene(thoughts, pictures, question, target)
    for tick in range(thoughts.ticks):
        yield to_frame(_draw(scene, tick))


@torch.no_grad()
def accuracy_of_numbers(model: ContinuousThoughtMachine, task: Any, most: int = 10, count: int = 64) -> Tensor:
    """Accuracy on test questions about 1 to `most` digits, with 1 to `most` operations: (digits, operations).

    Args:
        model: in evaluation mode, on the CPU.
        task: gives the questions, by its method `questions`.
        most: of digits and of operations.
        count: questions of each kind.
    """
    accuracy = torch.zeros(most, most)
    for digits in range(most):
        for operations in range(most):
            right = [
                task.scores(model(inputs), targets)["accuracy"]
                for inputs, targets in task.questions("test", digits + 1, operations + 1, count, size=count)
            ]
            accuracy[digits, operations] = torch.cat(right).mean()
    return accuracy


@styled()
def numbers_picture(accuracy: Tensor, trained: tuple[tuple[int, int], tuple[int, int]]) -> Figure:
    """Accuracy against numbers of digits and of operations, with a red frame around those of training (Figure 31).

    Args:
        accuracy: (digits, operations), both from 1 up.
        trained: the fewest and the most digits, and operations, of training.
    """
    values = plain(accuracy).T  # (operations, digits)
    figure = canvas(height=4.6, width=5.4)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    rows, columns = values.shape
    image = table_of_shares(axes, values, lambda share: f"{100 * share:.0f}", 7.5)
    (left, right), (low, high) = trained
    look: dict[str, Any] = {"fill": False, "edgecolor": RED, "linewidth": 2.2}
    axes.add_patch(Rectangle((left - 1.5, low - 1.5), right - left + 1, high - low + 1, **look))
    axes.set_xticks(range(columns), map(str, range(1, columns + 1)))
    axes.set_yticks(range(rows), map(str, range(1, rows + 1)))
    axes.set(xlabel="digits shown", ylabel="operations")
    axes.set_title("Accuracy, per cent (framed: as in training)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    colour_bar(image)
    return figure


def _scene(thoughts: Thoughts, pictures: Tensor, question: Tensor, target: int | None) -> _Scene:
    count, height, width = len(pictures), *pictures.shape[-2:]
    repeats = thoughts.shown // (count + len(question))
    shown = pictures.detach().float().reshape(count, height, width)
    low, high = shown.amin((1, 2), keepdim=True), shown.amax((1, 2), keepdim=True)
    attention = thoughts.recorded.attention[0].detach().float().mean(1)  # (T, L)
    maps = attention.unflatten(-1, thoughts.recorded.grid).sum(1)  # (T, h, w): that of one picture, the others are zero
    return _Scene(
        plain((shown - low) / (high - low).clamp_min(1e-6)),
        plain(contrast(smooth(maps, (height, width)))),
        question.tolist(),
        [*range(0, thoughts.shown + 1, repeats), thoughts.ticks],
        plain(thoughts.logits[0].softmax(-1)),
        plain(thoughts.certainty[0]),
        target,
    )


@styled()
def _draw(scene: _Scene, tick: int) -> Figure:
    figure = canvas(height=3.6)
    ticks, part = len(scene.certainty), scene.part(tick)
    answer = int(scene.probabilities[tick].argmax())
    due = part == len(scene.ends) - 2
    colour = BLUE if scene.target is None or not due else GREEN if answer == scene.target else RED
    title: dict[str, Any] = {"weight": "bold", "size": 10}
    figure.text(0.02, 0.93, f"Tick {tick + 1}", **title)
    figure.text(0.27, 0.93, f"of {ticks}", color=MUTED, ha="right")
    figure.text(0.02, 0.09, "Answer" if due else "Says", **title)
    known = "" if scene.target is None else f", should be {scene.target}" if due else ""
    figure.text(0.27, 0.09, f"{answer}{known}", color=colour, ha="right", **title)
    _shown(figure.add_axes((0.02, 0.19, 0.25, 0.25 * 8 / 3.6)), scene, tick)
    _parts(figure.add_axes((0.34, 0.8, 0.645, 0.14)), scene, part)
    _answers(figure.add_axes((0.34, 0.3, 0.645, 0.48)), scene, tick)
    _certainty(figure.add_axes((0.34, 0.12, 0.645, 0.14)), scene.certainty, tick)
    return figure


def _shown(axes: Axes, scene: _Scene, tick: int) -> None:
    """What there is to see at a tick: a picture under attention, a symbol, or nothing."""
    part, count = scene.part(tick), len(scene.pictures)
    picture_axis(axes)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    middle: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
    if part < count:
        heat = scene.heat[tick][..., None]
        picture = (1 - 0.7 * heat) * scene.pictures[part][..., None] + 0.7 * heat * HEAT(scene.heat[tick])[..., :3]
        axes.imshow(picture.clip(0, 1), extent=(0, 1, 0, 1), interpolation="bicubic")
        axes.text(0.04, 0.94, f"picture {part}", color=PAPER, size=8, ha="left", va="top", transform=axes.transAxes)
        return
    axes.set_facecolor(FAINT)
    if part < count + len(scene.question):
        symbol = scene.question[part - count]
        axes.text(0.5, 0.52, SIGNS.get(symbol, str(symbol)), size=54, **middle)
        axes.text(0.5, 0.1, "operator" if symbol in SIGNS else "index of a picture", color=MUTED, size=8, **middle)
    else:
        axes.text(0.5, 0.5, "nothing: the answer is due", color=MUTED, size=8, **middle)


def _parts(axes: Axes, scene: _Scene, now: int) -> None:
    """All that is shown, one after the other, over the ticks at which it is; an index has its picture's copy below."""
    count = len(scene.pictures)
    axes.set(xlim=(0.5, scene.ends[-1] + 0.5), ylim=(0, 1))
    axes.axis("off")
    for part, (start, end) in enumerate(zip(scene.ends[:-1], scene.ends[1:], strict=True)):
        edge = BLUE if part == now else FAINT
        box: dict[str, Any] = {"facecolor": PAPER, "edgecolor": edge, "linewidth": 1.6, "zorder": 2 + (part == now)}
        axes.add_patch(Rectangle((start + 0.5, 0), end - start, 1, clip_on=False, **box))
        middle, width = (start + end + 1) / 2, float(end - start)
        symbol = scene.question[part - count] if count <= part < count + len(scene.question) else None
        if part < count:
            _thumbnail(axes, scene.pictures[part], start + 0.5, 0.06, width, 0.88)
        elif symbol is None:
            axes.text(middle, 0.5, "answer" if 12 * width > scene.ends[-1] else "?", ha="center", va="center", size=8)
        elif symbol in SIGNS:
            axes.text(middle, 0.5, SIGNS[symbol], ha="center", va="center", size=13, zorder=4)
        else:
            axes.text(middle, 0.76, str(symbol), ha="center", va="center", size=9, zorder=4)
            _thumbnail(axes, scene.pictures[symbol], start + 0.5, 0.06, width, 0.44)


def _thumbnail(axes: Axes, picture: np.ndarray, x: float, y: float, width: float, height: float) -> None:
    inset = axes.inset_axes((x + 0.05 * width, y, 0.9 * width, height), transform=axes.transData, zorder=4)
    inset.imshow(picture, cmap="Greys_r", vmin=0, vmax=1, interpolation="bicubic")
    inset.axis("off")


def _answers(axes: Axes, scene: _Scene, tick: int) -> None:
    """Probabilities over ticks, up to one, with the likeliest answer of each part written at its end."""
    ticks, classes = scene.probabilities.shape
    tick_map(axes, np.where(np.arange(ticks)[:, None] <= tick, scene.probabilities, np.nan), "Blues", first=0)
    for end in scene.ends[1:-1]:
        axes.axvline(end + 0.5, color=FAINT, linewidth=0.7)
    for end in scene.ends[1:]:
        if end <= tick + 1:
            answer = int(scene.probabilities[end - 1].argmax())
            look: dict[str, Any] = {"size": 8, "weight": "bold", "ha": "center", "va": "center"}
            axes.text(
                end, answer, str(answer), color=PAPER if scene.probabilities[end - 1].max() > 0.5 else INK, **look
            )
    if scene.target is not None:
        frame: dict[str, Any] = {"fill": False, "edgecolor": GREEN, "linewidth": 1.6, "clip_on": False}
        axes.add_patch(Rectangle((scene.ends[-2] + 0.5, scene.target - 0.5), ticks - scene.ends[-2], 1, **frame))
    axes.axvline(tick + 1, color=MUTED, linewidth=0.8)
    axes.set(yticks=range(classes), ylabel="answer", xticks=[])
    axes.tick_params(axis="y", labelsize=7, length=0)


def _certainty(axes: Axes, certainty: np.ndarray, tick: int) -> None:
    curve_so_far(axes, certainty, tick, size=18.0, color=BLUE)
    axes.set(ylim=(0, 1.08), yticks=(0, 1), ylabel="certainty")
    tick_axis(axes, len(certainty))
    axes.set_xlabel("internal tick", labelpad=1)
