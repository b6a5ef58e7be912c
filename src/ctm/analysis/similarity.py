"""How much neurons differ: from one input to another, from each other, and at all (Figure 24)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor
from torch.nn import functional as F

from ctm.analysis.style import SERIES, canvas, plain, styled

DEAD = 0.01
"""A neuron is dead if its standard deviation is at most this share of the median neuron's."""
COMPARED = 128
"""For how many inputs neurons are compared, as in Figure 24."""
BARS = 40
"""Of a histogram."""


def similarity_across_data(activity: Tensor) -> Tensor:
    """How alike the same neurons are for two inputs: the cosine of their traces over ticks, averaged over neurons.

    Args:
        activity: (N, T, D) post-activations.

    Returns:
        (N (N - 1) / 2,), for every pair of inputs.
    """
    traces = F.normalize(activity.float(), dim=1).flatten(1)  # (N, T * D)
    return _pairs(traces @ traces.T / activity.shape[-1])


def similarity_across_neurons(activity: Tensor) -> Tensor:
    """How alike two neurons are for the same inputs: the cosine of their traces over ticks, averaged over inputs.

    Args:
        activity: (N, T, D) post-activations.

    Returns:
        (D (D - 1) / 2,), for every pair of neurons.
    """
    traces = F.normalize(activity.float(), dim=1).flatten(0, 1)  # (N * T, D)
    return _pairs(traces.T @ traces / len(activity))


def variation(activity: Tensor) -> Tensor:
    """How much each neuron varies over inputs and ticks: its standard deviation, (D,), from activity (N, T, D)."""
    return activity.float().flatten(0, 1).std(0, correction=0)


def dead(activity: Tensor) -> Tensor:
    """Which neurons hardly vary: by at most a hundredth of what the median neuron varies by, (D,) bool."""
    deviation = variation(activity)
    return deviation <= DEAD * deviation.median()


@styled()
def similarity_picture(models: Mapping[str, Sequence[Tensor]]) -> Figure:
    """How much the neurons of one or several models differ (Figures 24b and 24c).

    Args:
        models: by name, post-activations (N, T, D) for inputs, of which the paper takes 128; several of a model that
            was trained with several seeds, which are taken together.

    Returns:
        a figure with three panels: histograms of the similarity of neurons across inputs and across neurons, and of how
        much they vary, with the share of dead ones.
    """
    figure = canvas(height=3.2)
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.15, top=0.9, wspace=0.3)
    across_data, across_neurons, varying = figure.subplots(1, 3)
    for (name, seeds), colour in zip(models.items(), SERIES * len(models), strict=False):
        for axes, measure in ((across_data, similarity_across_data), (across_neurons, similarity_across_neurons)):
            _histogram(axes, _of_all(measure, seeds), np.linspace(-1, 1, BARS + 1), colour)
        share, deviation = _of_all(dead, seeds).mean(), _of_all(variation, seeds)
        smallest = max(deviation.max() * 1e-4, 1e-12)  # everything below counts as that
        bars = np.geomspace(smallest / 1.01, max(deviation.max(), smallest) * 1.01, BARS + 1)
        _histogram(varying, deviation.clip(smallest), bars, colour, f"{name}: {share:.1%} dead")
    across_data.set(title="Same neuron, two inputs", xlabel="cosine, mean over neurons", xlim=(-1, 1))
    across_neurons.set(title="Two neurons, same input", xlabel="cosine, mean over inputs", xlim=(-1, 1))
    varying.set(title="Variation of a neuron", xlabel="standard deviation", xscale="log")
    varying.legend(loc="upper left")
    varying.set_ylim(top=varying.get_ylim()[1] * (1.08 + 0.08 * len(models)))  # room for the legend
    for axes in figure.axes:
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(axis="y")
    return figure


def _of_all(measure: Callable[[Tensor], Tensor], seeds: Sequence[Tensor]) -> np.ndarray:
    """What is measured of each seed's activity, one after the other."""
    return plain(torch.cat([measure(activity) for activity in seeds]))


def _pairs(matrix: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(*matrix.shape, offset=1)
    return matrix[rows, columns]


def _histogram(axes: Axes, values: np.ndarray, edges: np.ndarray, colour: str, label: str | None = None) -> None:
    shares = np.histogram(values, edges)[0] / max(len(values), 1)
    axes.stairs(shares, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
    axes.stairs(shares, edges, color=colour, linewidth=1.3, label=label)
