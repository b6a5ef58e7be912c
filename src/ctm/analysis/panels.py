"""Parts of pictures that show a machine looking: attention over a picture, every head, certainty so far."""

import math

import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.attention import contrast, smooth
from ctm.analysis.style import FAINT, GREEN, HEAT, MUTED, PAPER, RED, TICK_COLOURS, picture_axis, plain, tick_axis


def at(values: Tensor, time: float) -> Tensor:
    """Values (T, …) at a moment between two ticks."""
    before = int(time)
    after = min(before + 1, len(values) - 1)
    return torch.lerp(values[before], values[after], time - before)


def overlay(axes: Axes, picture: Tensor, maps: Tensor, path: Tensor, time: float) -> None:
    """A picture, tinted where the heads look on average, and the path of attention so far.

    Args:
        axes: where to draw.
        picture: (3, H, W) from 0 to 1.
        maps: (T, heads, h, w), attention.
        path: (T, 2), x and y of its centre, as fractions.
        time: the tick, possibly between two.
    """
    height, width = picture.shape[-2:]
    heat = contrast(smooth(at(maps, time).mean(0), (height, width)))  # (H, W)
    opacity = (0.75 * heat)[..., None].numpy()
    pixels = picture.permute(1, 2, 0).numpy()
    axes.imshow(((1 - opacity) * pixels + opacity * HEAT(heat.numpy())[..., :3]).clip(0, 1))  # rounding errs
    axes.set_anchor("N")
    picture_axis(axes)
    travelled = [*path[: int(time) + 1], at(path, time)]
    points = torch.stack(travelled).numpy() * (width, height) - 0.5  # (ticks so far + 1, 2)
    colours = TICK_COLOURS(np.append(np.arange(len(points) - 1), time) / max(len(path) - 1, 1))
    outline = [patheffects.Stroke(linewidth=4.5, foreground=PAPER), patheffects.Normal()]
    segments = np.stack([points[:-1], points[1:]], axis=1)
    line = LineCollection(list(segments), colors=colours[1:], linewidths=2.6, path_effects=outline)
    axes.add_collection(line)
    axes.scatter(*points[:-1].T, c=colours[:-1], s=20, edgecolors=PAPER, linewidths=0.8, zorder=3)
    axes.scatter(*points[-1], color=colours[-1], s=110, edgecolors=PAPER, linewidths=2, zorder=4)


def heads(figure: Figure, maps: Tensor, corner: tuple[float, float], width: float) -> None:
    """A small map for every head, (heads, h, w), as large as they all fit into a square.

    Args:
        figure: where to draw.
        maps: attention at one tick.
        corner: upper left one of the square, as fractions of the figure.
        width: of the square, as a fraction of the figure's width.
    """
    count, tall, wide = maps.shape
    left, top = corner
    height = width * figure.get_figwidth() / figure.get_figheight()
    columns = min(count, math.ceil(math.sqrt(count * tall / wide)))
    rows = math.ceil(count / columns)
    side = min(1 / columns, wide / tall / rows)  # of a map, as a fraction of the square
    across, down = width * side, height * side * tall / wide
    for head, weights in enumerate(contrast(smooth(maps, (16 * tall, 16 * wide)))):
        row, column = divmod(head, columns)
        axes = figure.add_axes((left + column * across, top - (row + 0.96) * down, 0.96 * across, 0.96 * down))
        axes.imshow(weights.numpy(), cmap=HEAT, vmin=0, vmax=1)
        picture_axis(axes)


def certainty_so_far(axes: Axes, certainty: Tensor, time: float, right: Tensor | None = None) -> None:
    """Certainty (T,) up to now, its line in the colours of ticks.

    Args:
        axes: where.
        certainty: of all ticks.
        time: now, in ticks.
        right: (T,), whether the answer is right at each tick, for a ground of green and red; nothing for none.
    """
    for tick in range(0 if right is None else int(time + 0.5) + 1):
        colour = GREEN if right[tick] else RED
        axes.axvspan(tick + 0.5, tick + 1.5, color=colour, alpha=0.13, linewidth=0)
    ticks = np.append(np.arange(int(time) + 1), time) + 1
    values = plain(torch.stack([*certainty[: int(time) + 1], at(certainty, time)]))
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
