"""Whether answers are right as often as they are probable (Figures 5b, 10c and 21b)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.style import MUTED, SERIES, TICK_COLOURS, canvas, styled, tick_axis

BINS = 9
"""Bins of probability in a diagram, as in the authors' analysis."""
ERROR_BINS = 15
"""Bins of probability of the expected calibration error, as is usual."""
FEWEST = 5
"""Samples of a bin that is drawn, at least."""
SHOWN = 6
"""Most ticks that are drawn as lines of their own."""


class Reliability(NamedTuple):
    """What became of answers of similar probability; NaN where there are none."""

    confidence: Tensor  # (bins,) their mean probability
    accuracy: Tensor  # (bins,) the share of them that is right
    samples: Tensor  # (bins,) how many they are


class Calibration:
    """Collects how probable answers were held to be at every tick, and whether they were right, batch by batch."""

    def __init__(self) -> None:
        self._confidence: list[Tensor] = []
        self._right: list[Tensor] = []

    def add(self, confidence: Tensor, right: Tensor) -> None:
        """Takes in a batch: the probabilities of its answers (B, T), and which of these are right (B, T), bool."""
        self._confidence.append(confidence.detach().float().clamp(0, 1).cpu())  # a mean of ones may round above 1
        self._right.append(right.cpu())

    @property
    def confidence(self) -> Tensor:
        """How probable the answer of every sample and tick was held to be, (N, T)."""
        return torch.cat(self._confidence)

    @property
    def right(self) -> Tensor:
        """Whether it was right, (N, T), bool."""
        return torch.cat(self._right)

    @property
    def ticks(self) -> int:
        """T, for how many ticks there are answers; none before the first batch."""
        return self._confidence[0].shape[1] if self._confidence else 0

    def reliability(self, tick: int = -1, bins: int = BINS) -> Reliability:
        """Answers at a tick, in bins of equal width of their probability, from 0 to 1."""
        confidence, right = self.confidence[:, tick].double(), self.right[:, tick].double()  # (N,)
        place = (confidence * bins).long().clamp_max(bins - 1)
        samples, sum_of_confidence, sum_of_right = (
            torch.zeros(bins, dtype=torch.float64).index_add_(0, place, values)
            for values in (torch.ones_like(right), confidence, right)
        )
        return Reliability(sum_of_confidence / samples, sum_of_right / samples, samples)

    def error(self, tick: int = -1) -> float:
        """The expected calibration error of the answers at a tick: how far accuracy and probability are apart.

        Raises:
            ModuleNotFoundError: without torchmetrics.
        """
        try:
            from torchmetrics.functional.classification import binary_calibration_error
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "the calibration error needs torchmetrics: pip install 'continuous-thought-machines[train]'"
            ) from error
        confidence, right = self.confidence[:, tick].double(), self.right[:, tick].int()  # sums of float32 err
        return float(binary_calibration_error(confidence, right, n_bins=ERROR_BINS, norm="l1"))

    def errors(self) -> list[float]:
        """The expected calibration error at every tick."""
        return [self.error(tick) for tick in range(self.ticks)]


@styled()
def calibration_over_ticks(calibration: Calibration) -> Figure:
    """Calibration at several ticks, and its expected error at all of them (Figures 5b and 10c).

    Args:
        calibration: of answers and their probabilities, such as `OverTicks.calibration["last"]`.

    Returns:
        a figure with two panels. A point of the first stands for answers of similar probability, the larger the more
        of them there are; the colours of its lines are those of their ticks in the second.
    """
    figure = canvas(height=3.6)
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.14, top=0.9, wspace=0.2)
    diagram, error = figure.subplots(1, 2)
    _diagonal(diagram)
    errors = calibration.errors()
    error.plot(range(1, calibration.ticks + 1), errors, color=MUTED, linewidth=1)
    for tick in np.unique(np.linspace(0, calibration.ticks - 1, SHOWN).round().astype(int)).tolist():
        colour = TICK_COLOURS(tick / max(calibration.ticks - 1, 1))
        _reliability(diagram, calibration.reliability(tick), colour)
        error.scatter(tick + 1, errors[tick], s=40, color=colour, zorder=3)
    diagram.set_title("Accuracy at the ticks of the same colours")
    error.set_title("Expected calibration error")
    error.set_ylim(bottom=0)
    error.grid(axis="y")
    tick_axis(error, calibration.ticks)
    return figure


@styled()
def calibration_side_by_side(models: Mapping[str, Calibration]) -> Figure:
    """Calibration at the last tick of several models, or of people (Figure 21b).

    Args:
        models: by name, in the order of their colours.

    Returns:
        a figure with two panels: the diagram, and the expected calibration errors.
    """
    figure = canvas(height=3.6)
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.14, top=0.9, wspace=0.12)
    diagram, error = figure.subplots(1, 2)
    _diagonal(diagram)
    errors = [calibration.error() for calibration in models.values()]
    for place, ((name, calibration), colour) in enumerate(zip(models.items(), SERIES * len(models), strict=False)):
        _reliability(diagram, calibration.reliability(), colour)
        error.barh(place, errors[place], height=0.3, color=colour)
        error.text(0, place - 0.22, f"{name}  {errors[place]:.3f}", va="bottom", fontsize=8)
    error.set_title("Expected calibration error")
    error.set(ylim=(len(models) - 0.5, -0.7), yticks=[])
    error.set_xlim(left=0)
    error.spines["left"].set_visible(False)
    return figure


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", linewidth=1)
    axes.set(title="Accuracy", xlabel="mean probability of the answers", xlim=(0, 1.03), ylim=(0, 1.03))
    axes.grid()


def _reliability(axes: Axes, found: Reliability, colour: Any) -> None:
    there = found.samples >= FEWEST
    confidence, accuracy, samples = (values[there].numpy() for values in found)
    axes.plot(confidence, accuracy, color=colour, linewidth=1.3)
    axes.scatter(confidence, accuracy, s=6 + 60 * samples / found.samples.sum().item(), color=colour, linewidths=0)
