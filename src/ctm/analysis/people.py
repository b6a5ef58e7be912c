"""Models beside people who answered the same: how right and how uncertain, by difficulty (Figure 22)."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.calibration import Calibration
from ctm.analysis.style import SERIES, canvas, styled
from ctm.certainty import certainty
from ctm.thoughts import Thoughts

PEOPLE = "people"
"""What people are called among the models."""
BINS = 10
"""Of equal width, of what is drawn over difficulty or over the uncertainty of people."""
FEWEST = 5
"""Samples of a bin that is drawn, at least."""


class Judged(NamedTuple):
    """Samples of one label, as a model or people answered them."""

    confidence: Tensor  # (N,) the probability of the class that was chosen
    right: Tensor  # (N,) bool, whether it is the target
    uncertainty: Tensor  # (N,) entropy, from 0 to 1 (all classes equally likely)

    def calibration(self) -> Calibration:
        """Whether answers are right as often as they are probable."""
        calibration = Calibration()
        calibration.add(self.confidence.unsqueeze(1), self.right.unsqueeze(1))
        return calibration


def judged_by_model(thoughts: Thoughts, targets: Tensor) -> Judged:
    """What a model makes of samples (appendix G.1).

    The class chosen is that of the most certain tick, its probability the mean over all ticks, and uncertainty the
    normalised entropy averaged over all ticks.

    Args:
        thoughts: logits (B, T, C).
        targets: (B,).
    """
    logits = thoughts.logits.float()
    chosen = thoughts.at("most_certain").argmax(-1)  # (B,)
    confidence = logits.softmax(-1).mean(1).gather(1, chosen.unsqueeze(1)).squeeze(1)  # (B,)
    return Judged(confidence, chosen == targets, 1 - certainty(logits).mean(1))


def judged_by_people(labels: Tensor, targets: Tensor) -> Judged:
    """What people made of samples: their likeliest label, its probability, and the normalised entropy of their labels.

    Args:
        labels: (N, C), the shares of people who chose each class.
        targets: (N,).
    """
    confidence, chosen = labels.max(1)  # (N,)
    entropy = -torch.special.xlogy(labels, labels).sum(1) / math.log(labels.shape[1])  # (N,)
    return Judged(confidence.float(), chosen == targets, entropy.float())


def agreement(one: Judged, other: Judged) -> float:
    """The correlation of two uncertainties over all samples; not a number if one never changes."""
    return float(torch.corrcoef(torch.stack([one.uncertainty, other.uncertainty]).double())[0, 1])


@styled()
def difficulty_picture(everyone: Mapping[str, Judged], difficulty: Tensor) -> Figure:
    """Accuracy and uncertainty of models and people against how difficult samples are (Figure 22).

    Args:
        everyone: by name; people are called `PEOPLE`.
        difficulty: (N,), higher for harder samples, such as the share of other models that are wrong.

    Returns:
        a figure with two panels. A point stands for samples of similar difficulty; bars are 95 % intervals of the mean.
    """
    figure = canvas(height=3.5)
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.15, top=0.9, wspace=0.17)
    accuracy, uncertainty = figure.subplots(1, 2)
    for (name, judged), colour in zip(everyone.items(), SERIES * len(everyone), strict=False):
        _means(accuracy, difficulty, judged.right, colour, name)
        _means(uncertainty, difficulty, judged.uncertainty, colour, name)
    accuracy.set(title="Accuracy", ylim=(-0.02, 1.03))
    uncertainty.set(title="Uncertainty", ylim=(0, 1.03))
    for axes in (accuracy, uncertainty):
        axes.set_xlabel("difficulty")
        axes.grid(axis="y")
    uncertainty.legend(loc="upper left")
    return figure


@styled()
def uncertainty_picture(everyone: Mapping[str, Judged]) -> Figure:
    """The uncertainty of models against that of people about the same samples.

    Args:
        everyone: by name, with people under `PEOPLE`.

    Returns:
        a figure; a point stands for samples of which people are similarly uncertain, bars are 95 % intervals of the
        mean, and the numbers are correlations over all samples.
    """
    people = everyone[PEOPLE]
    figure = canvas(height=3.6, width=5.6)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.14, top=0.9)
    axes = figure.add_subplot()
    for (name, judged), colour in zip(everyone.items(), SERIES * len(everyone), strict=False):
        if judged is not people:
            _means(axes, people.uncertainty, judged.uncertainty, colour, f"{name}  r = {agreement(judged, people):.2f}")
    axes.set(title="Uncertainty of models", xlabel="uncertainty of people", ylim=(0, 1.03))
    axes.grid(axis="y")
    axes.legend(loc="upper left")
    return figure


def _means(axes: Axes, place: Tensor, values: Tensor, colour: str, name: str) -> None:
    """Draws the means of values (N,) over bins of their places (N,), with intervals."""
    place, values = place.double(), values.double()
    low, high = place.min(), place.max()
    bins = ((place - low) / (high - low).clamp_min(1e-12) * BINS).long().clamp_max(BINS - 1)  # (N,)
    members = [bins == number for number in range(BINS) if (bins == number).sum() >= FEWEST]
    means = [float(values[chosen].mean()) for chosen in members]
    errors = [1.96 * float(values[chosen].std() / chosen.sum().sqrt()) for chosen in members]
    look: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 3.5, "elinewidth": 0.8, "linewidth": 1.4}
    axes.errorbar([float(place[chosen].mean()) for chosen in members], means, yerr=errors, label=name, **look)
