"""The machine looking at a picture: where, and what it thinks meanwhile (Figures 2b, 12 to 15)."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from ctm.analysis.attention import as_maps, centre, contrast, smooth
from ctm.analysis.style import (
    BLUE,
    FAINT,
    GREEN,
    HEAT,
    INK,
    MUTED,
    PAPER,
    RED,
    TICK_COLOURS,
    canvas,
    picture_axis,
    plain,
    styled,
    tick_axis,
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
        coloured by tick; a map per head; the probabilities of the classes; certainty up to this tick.

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
        thoughts, picture, target, sample, labels: as for `looking`.
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


def _at(values: Tensor, time: float) -> Tensor:
    """Values (T, …) at a moment between two ticks."""
    before = int(time)
    after = min(before + 1, len(values) - 1)
    return torch.lerp(values[before], values[after], time - before)


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
    _overlay(figure.add_axes((0.02, 0.025, 0.4445, 0.889)), scene, time)
    _heads(figure, _at(scene.maps, time))
    _certainty(figure.add_axes((0.53, 0.115, 0.185, 0.24)), scene.certainty, time)
    _classes(figure.add_axes((0.75, 0.025, 0.235, 0.889)), scene, time, answer, colour)
    return figure


def _short(label: str, most: int) -> str:
    return label if len(label) <= most else label[: most - 1].rstrip() + "…"


def _overlay(axes: Axes, scene: Scene, time: float) -> None:
    """The picture, tinted where the heads look on average, and the path so far."""
    height, width = scene.picture.shape[-2:]
    heat = contrast(smooth(_at(scene.maps, time).mean(0), (height, width)))  # (H, W)
    opacity = (0.75 * heat)[..., None].numpy()
    picture = scene.picture.permute(1, 2, 0).numpy()
    axes.imshow(((1 - opacity) * picture + opacity * HEAT(heat.numpy())[..., :3]).clip(0, 1))  # rounding errs
    axes.set_anchor("N")
    picture_axis(axes)
    travelled = [*scene.path[: int(time) + 1], _at(scene.path, time)]
    points = torch.stack(travelled).numpy() * (width, height) - 0.5  # (ticks so far + 1, 2)
    colours = TICK_COLOURS(np.append(np.arange(len(points) - 1), time) / max(len(scene.path) - 1, 1))
    outline = [patheffects.Stroke(linewidth=4.5, foreground=PAPER), patheffects.Normal()]
    segments = np.stack([points[:-1], points[1:]], axis=1)
    path = LineCollection(list(segments), colors=colours[1:], linewidths=2.6, path_effects=outline)
    axes.add_collection(path)
    axes.scatter(*points[:-1].T, c=colours[:-1], s=20, edgecolors=PAPER, linewidths=0.8, zorder=3)
    axes.scatter(*points[-1], color=colours[-1], s=110, edgecolors=PAPER, linewidths=2, zorder=4)


def _heads(figure: Figure, maps: Tensor) -> None:
    """A small map for every head, (heads, h, w), as large as they all fit into a square."""
    heads, height, width = maps.shape
    columns = min(heads, math.ceil(math.sqrt(heads * height / width)))
    rows = math.ceil(heads / columns)
    side = min(1 / columns, width / height / rows)  # of a map, as a fraction of the square's 176 pixels
    across, down = 0.22 * side, 0.44 * side * height / width
    for head, weights in enumerate(contrast(smooth(maps, (16 * height, 16 * width)))):
        row, column = divmod(head, columns)
        corner = (0.495 + column * across, 0.914 - (row + 0.96) * down)
        axes = figure.add_axes((*corner, 0.96 * across, 0.96 * down))
        axes.imshow(weights, cmap=HEAT, vmin=0, vmax=1)
        picture_axis(axes)


def _classes(axes: Axes, scene: Scene, time: float, answer: int, colour: str) -> None:
    """A bar for every class, or for those that are ever the likeliest if there are many."""
    shown = np.arange(scene.probabilities.shape[1])
    if len(shown) > MOST_CLASSES:
        peaks = scene.probabilities.amax(0)
        if scene.target is not None:
            peaks[scene.target] += 1
        shown = peaks.topk(MOST_CLASSES).indices.numpy()
    values = plain(_at(scene.probabilities, time))[shown]
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


def _certainty(axes: Axes, certainty: Tensor, time: float) -> None:
    """Certainty up to now, its line in the colours of ticks."""
    ticks = np.append(np.arange(int(time) + 1), time) + 1
    values = plain(torch.stack([*certainty[: int(time) + 1], _at(certainty, time)]))
    colours = TICK_COLOURS((ticks - 1) / max(len(certainty) - 1, 1))
    points = np.stack([ticks, values], axis=-1)  # (ticks so far + 1, 2)
    segments = np.stack([points[:-1], points[1:]], axis=1)
    axes.axvline(time + 1, color=MUTED, linewidth=0.8)
    axes.fill_between(ticks, values, color=FAINT, alpha=0.6, linewidth=0)
    axes.add_collection(LineCollection(list(segments), colors=colours[1:], linewidths=2.4))
    axes.scatter(*points[-1], color=colours[-1:], s=34, zorder=3)
    tick_axis(axes, len(certainty))
    axes.set(ylim=(0, 1.08), yticks=[0, 0.5, 1])
    axes.set_xlabel("internal tick", labelpad=1)
