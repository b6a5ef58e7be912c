"""The machine looking at a picture: where, and what it thinks meanwhile (Figures 2b, 12 to 15)."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from ctm.analysis.attention import as_maps, centre
from ctm.analysis.panels import at, certainty_so_far, heads, overlay
from ctm.analysis.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    MUTED,
    RED,
    canvas,
    plain,
    styled,
    to_frame,
)
from ctm.thoughts import Thoughts

RESOLUTION = 360
"""Pixels of the longer side of the large picture."""
MOST_CLASSES = 10
"""With more classes than this, only the likeliest are shown."""


class Scene(NamedTuple):
    """One sample, ready to be drawn."""

    picture: Tensor  # (3, H, W)
    maps: Tensor  # (T, heads, h, w)
    path: Tensor  # (T, 2)
    probabilities: Tensor  # (T, C)
    certainty: Tensor  # (T,)
    labels: Sequence[str]
    target: int | None


def looking(
    thoughts: Thoughts,
    picture: Tensor,
    target: int | None = None,
    *,
    sample: int = 0,
    tick: int = -1,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Attention over a picture at one tick, with its path up to then (Figure 2b).

    Args:
        thoughts: from a call with `record=True` of a model that attends to a map.
        picture: what it saw, (H, W), (1, H, W) or (3, H, W), from 0 to 1.
        target: the right class, if known.
        sample: which of the batch.
        tick: which tick; negative ones count from the end.
        labels: names of the classes; by default their numbers.

    Returns:
        a figure of 800 x 400: the picture under the mean of all heads' attention, and the path of its centre
        coloured by tick; a map per head; the probabilities of the classes; certainty up to this tick, on green where
        the answer is right and on red where it is wrong.

    Raises:
        ValueError: without recorded attention over a map, or with answers of more than one position.
    """
    scene = _scene(thoughts, picture, target, sample, labels)
    return _draw(scene, float(range(thoughts.ticks)[tick]))


def looking_frames(
    thoughts: Thoughts,
    picture: Tensor,
    target: int | None = None,
    *,
    sample: int = 0,
    labels: Sequence[str] | None = None,
    steps: int = 1,
) -> Iterator[np.ndarray]:
    """The same as an animation over all ticks.

    Args:
        thoughts: as for `looking`.
        picture: as for `looking`.
        target: as for `looking`.
        sample: as for `looking`.
        labels: as for `looking`.
        steps: frames from one tick to the next; with more than 1, what happens is interpolated.

    Returns:
        (T - 1) * steps + 1 frames of 800 x 400.
    """
    scene = _scene(thoughts, picture, target, sample, labels)
    for frame in range((thoughts.ticks - 1) * steps + 1):
        yield to_frame(_draw(scene, frame / steps))


def _scene(thoughts: Thoughts, picture: Tensor, target: int | None, sample: int, labels: Sequence[str] | None) -> Scene:
    if thoughts.record is None or thoughts.record.attention is None or len(thoughts.record.grid) != 2:
        raise ValueError("thoughts: expected recorded attention over a map; call the model with record=True")
    if thoughts.logits.dim() != 3:
        raise ValueError(f"logits {tuple(thoughts.logits.shape)}: expected (B, T, C), one label a sample")
    attention, logits, certainty, picture = (
        values.detach().cpu().float()
        for values in (
            thoughts.record.attention[sample],
            thoughts.logits[sample],
            thoughts.certainty[sample],
            picture,
        )
    )
    maps = as_maps(attention, thoughts.record.grid)  # (T, heads, h, w)
    probabilities = logits.softmax(-1)  # (T, C)
    labels = [str(label) for label in range(probabilities.shape[-1])] if labels is None else labels
    height, width = picture.shape[-2:]
    scale = RESOLUTION / max(height, width)
    size = (math.ceil(height * scale), math.ceil(width * scale))
    large = F.interpolate(picture.expand(1, 3, height, width), size, mode="bicubic", antialias=True).clamp(0, 1)
    return Scene(large[0], maps, centre(maps.mean(1)), probabilities, certainty, labels, target)


@styled()
def _draw(scene: Scene, time: float) -> Figure:
    figure = canvas(height=4.0)
    ticks, now = len(scene.path), int(time + 0.5)
    answer = int(scene.probabilities[now].argmax())
    right = scene.target is None or answer == scene.target
    colour = BLUE if scene.target is None else GREEN if right else RED
    mark = "" if scene.target is None else " ✓" if right else " ✗"
    title: dict[str, Any] = {"weight": "bold", "size": 10}
    figure.text(0.02, 0.938, f"Tick {now + 1}", **title)
    figure.text(0.4645, 0.938, f"of {ticks}", color=MUTED, ha="right")
    figure.text(0.495, 0.938, "Attention heads", **title)
    figure.text(0.495, 0.385, "Certainty", **title)
    figure.text(0.75, 0.938, "Answer", **title)
    figure.text(0.985, 0.938, _short(scene.labels[answer], 10) + mark, color=colour, ha="right", **title)
    overlay(figure.add_axes((0.02, 0.025, 0.4445, 0.889)), scene.picture, scene.maps, scene.path, time)
    heads(figure, at(scene.maps, time), (0.495, 0.914), 0.22)
    answers = scene.probabilities.argmax(-1)  # (T,)
    found = None if scene.target is None else answers == scene.target
    certainty_so_far(figure.add_axes((0.53, 0.115, 0.185, 0.24)), scene.certainty, time, found)
    _classes(figure.add_axes((0.75, 0.025, 0.235, 0.889)), scene, time, answer, colour)
    return figure


def _short(label: str, most: int) -> str:
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"


def _classes(axes: Axes, scene: Scene, time: float, answer: int, colour: str) -> None:
    """A bar for every class, or for those that are ever the likeliest if there are many."""
    shown = np.arange(scene.probabilities.shape[1])
    if len(shown) > MOST_CLASSES:
        peaks = scene.probabilities.amax(0)
        if scene.target is not None:
            peaks[scene.target] += 1
        shown = peaks.topk(MOST_CLASSES).indices.numpy()
    values = plain(at(scene.probabilities, time))[shown]
    colours = [colour if index == answer else GREEN if index == scene.target else MUTED for index in shown]
    place = np.arange(len(shown))
    axes.barh(place, np.ones(len(shown)), color=FAINT, alpha=0.5, height=0.82)
    axes.barh(place, values, color=colours, alpha=0.45, height=0.82)
    for row, index in enumerate(shown):
        weight, ink = ("bold", INK) if index in (answer, scene.target) else ("normal", MUTED)
        axes.text(0.02, row, _short(scene.labels[index], 20), va="center", size=8, weight=weight)
        axes.text(0.985, row, f"{values[row]:.0%}", va="center", ha="right", size=7.5, color=ink)
    axes.set(xlim=(0, 1), ylim=(MOST_CLASSES - 0.5, -0.5))
    axes.axis("off")
