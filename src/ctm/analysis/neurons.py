"""The lives of neurons: their traces over internal ticks (Figures 2a, 23, 35)."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.style import MUTED, WIDTH, canvas, plain, styled
from ctm.thoughts import Record


@styled()
def neuron_traces(record: Record, sample: int = 0, neurons: int = 96, others: int = 12, seed: int = 0) -> Figure:
    """A grid of neurons, each with its post-activations over ticks in a colour of its own (Figure 2a).

    Args:
        record: what happened inside, from a call with `record=True`.
        sample: the sample drawn boldly; grey behind it are its pre-activations, if the core has any.
        neurons: how many neurons to show, drawn at random; all of them if there are fewer.
        others: how many other samples of the batch to draw faintly.
        seed: of the choice of neurons and colours.

    Returns:
        a figure; every neuron is scaled to its own range over the samples shown.
    """
    post = record.require("post_activations")  # (B, T, D)
    count = min(neurons, post.shape[-1])
    columns = math.ceil(math.sqrt(1.5 * count))
    rows = math.ceil(count / columns)
    figure = canvas(height=WIDTH * 0.62 * rows / columns + 0.1)
    axes = figure.add_axes((0.005, 0.01, 0.99, 0.98))
    _grid(axes, post, record.pre_activations, sample, count, others, seed, columns)
    return figure


@styled()
def neuron_traces_side_by_side(
    models: Mapping[str, Tensor], sample: int = 0, neurons: int = 54, others: int = 12, seed: int = 0
) -> Figure:
    """The same of several models, for the same samples (Figure 23).

    Args:
        models: by name, post-activations (B, T, D) for the same samples.
        sample: as for `neuron_traces`, of each model.
        neurons: as for `neuron_traces`, of each model.
        others: as for `neuron_traces`, of each model.
        seed: as for `neuron_traces`, of each model.

    Returns:
        a figure with a panel for each model, two in a row.
    """
    columns = math.ceil(math.sqrt(neurons / 1.5))
    rows, panels = math.ceil(neurons / columns), math.ceil(len(models) / 2)
    height = panels * (WIDTH / 2 * 0.62 * rows / columns + 0.35)
    figure = canvas(height)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=1 - 0.3 / height, wspace=0.06, hspace=0.13)
    places = figure.subplots(panels, 2, squeeze=False).flatten()
    for axes in places[len(models) :]:
        axes.remove()
    for (name, post), axes in zip(models.items(), places, strict=False):
        axes.set_title(name)
        _grid(axes, post, None, sample, neurons, others, seed, columns)
    return figure


def _grid(
    axes: Axes, post: Tensor, pre: Tensor | None, sample: int, neurons: int, others: int, seed: int, columns: int
) -> None:
    """Draws the traces of at most so many neurons, activations (B, T, D), into as many cells."""
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(post.shape[-1])[:neurons])
    colours = hsv_to_rgb(random.uniform((0.0, 0.55, 0.75), (1.0, 0.9, 0.85), size=(len(chosen), 3)))
    samples = [sample, *[other for other in range(len(post)) if other != sample][:others]]
    axes.set(xlim=(0, columns), ylim=(math.ceil(neurons / columns), 0))
    axes.axis("off")
    if pre is not None:
        traces = _traces(plain(pre)[samples[:1]][..., chosen], columns)  # (1, D, T, 2)
        axes.add_collection(LineCollection(list(traces[0]), colors=MUTED, linewidths=0.7, alpha=0.45))
    traces = _traces(plain(post)[samples][..., chosen], columns)  # (samples, D, T, 2)
    for trace in traces[1:]:
        axes.add_collection(LineCollection(list(trace), colors=colours, linewidths=0.5, alpha=0.3))
    axes.add_collection(LineCollection(list(traces[0]), colors=colours, linewidths=1.6, capstyle="round"))


def _traces(activity: np.ndarray, columns: int) -> np.ndarray:
    """Places every neuron's trace in its cell of the grid: (samples, T, D) -> (samples, D, T, 2)."""
    low, high = activity.min((0, 1)), activity.max((0, 1))  # (D,)
    flat = high - low < 1e-6
    height = np.where(flat, 0.5, (activity - low) / np.where(flat, 1, high - low))
    height = height.transpose(0, 2, 1)  # (samples, D, T)
    cell = np.arange(activity.shape[-1])[:, None]
    x = cell % columns + np.linspace(0.08, 0.92, activity.shape[1])  # (D, T)
    y = cell // columns + 0.9 - 0.8 * height
    return np.stack([np.broadcast_to(x, y.shape), y], axis=-1)
