"""What more ticks bring, over a whole data set: accuracy for every way of answering, and certainty."""

from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from ctm.analysis.calibration import Calibration
from ctm.analysis.style import BLUE, GREEN, INK, MUTED, PURPLE, SERIES, WIDTH, canvas, styled, tick_axis
from ctm.kernels.precision import widest
from ctm.thoughts import Rule, Thoughts

WAYS: dict[Rule, str] = {
    "last": "this tick",
    "most_certain": "most certain tick so far",
    "mean": "mean of logits so far",
    "certainty_weighted": "mean weighted by certainty",
}
"""The four ways to answer of appendix E.3, and what pictures call them."""
THRESHOLDS = {0.5: PURPLE, 0.8: BLUE, 0.9: GREEN}
"""Certainties that count as sure in Figure 5a, and their colours."""
SURE = 0.8
"""The certainty that counts as sure in Figure 10b."""
LIKELIEST = 5
"""An answer is also scored by whether the target is among so many likeliest classes, where there are more."""
STEPS = 1000
"""Steps of the histogram that quantiles of certainty are read from."""


class OverTicks:
    """Collects how right and how sure a model is at every tick, batch by batch.

    >>> seen = OverTicks()
    >>> for x, targets in batches:
    ...     seen.add(model(x), targets)
    >>> seen.accuracy("mean")                        # (T,)
    >>> accuracy_over_ticks(seen).savefig("accuracy.png")

    Samples are summed up and forgotten, so that memory does not grow with their number; only the calibration of answers
    of one label keeps five probabilities of each sample and tick.

    Attributes:
        samples: N, how many were taken in.
        tops: among how many likeliest classes the target may be for an answer to count as right: 1, and 5 if there are
            more classes than that.
        calibration: for answers of one label, by way of answering: whether its answers are right as often as probable,
            their probability being the mean over the ticks so far (appendix E.3).
        own_calibration: the same of each tick's answer and its probability at that tick alone.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.tops: tuple[int, ...] = (1,)
        self.calibration: dict[Rule, Calibration] = {rule: Calibration() for rule in WAYS}
        self.own_calibration = Calibration()
        self._totals: dict[Any, Tensor] = {}

    def add(self, thoughts: Thoughts, targets: Tensor) -> None:
        """Takes in a batch; targets are (B, *answer), where the thoughts are."""
        thoughts = Thoughts(thoughts.logits.detach().float(), thoughts.certainty.detach().float(), None)
        self.samples += len(targets)
        self.tops = (1, LIKELIEST) if thoughts.logits.shape[-1] > LIKELIEST else (1,)
        for name, total in self._sums(thoughts, targets).items():
            self._totals[name] = self._totals.get(name, 0) + total.cpu()
        if targets.dim() == 1:
            self._calibrate(thoughts, targets)

    @property
    def ticks(self) -> int:
        """T, how many ticks were thought."""
        return len(self._totals["certainty"])

    def accuracy(self, rule: Rule = "last", top: int = 1) -> Tensor:
        """Accuracy at every tick, (T,), over samples and answer positions; `top` is one of `tops`."""
        return self._mean("right", rule, top)

    def certainty(self) -> Tensor:
        """The mean certainty at every tick, (T,)."""
        return self._mean("certainty")

    def certainty_quantile(self, share: float) -> Tensor:
        """How certain so large a share of samples is at most at every tick, (T,), to a thousandth."""
        below = self._totals["histogram"].cumsum(-1)  # (T, STEPS + 1)
        return (below < share * self.samples).sum(-1) / STEPS

    def sure(self, threshold: float) -> tuple[Tensor, Tensor]:
        """The share of samples at least so certain at every tick, and of those also right, both (T,).

        Args:
            threshold: one of `THRESHOLDS`.
        """
        return self._mean("sure", threshold), self._mean("sure and right", threshold)

    def first_sure(self) -> Tensor:
        """How many samples of a class are sure at a tick for the first time, (T, C); for answers of one label."""
        return self._totals["first sure"]

    def most_certain(self) -> tuple[Tensor, Tensor]:
        """The share of samples that are most certain at a tick, and the accuracy of these there, both (T,).

        The accuracy is not a number where there are none.
        """
        chosen = self._totals["chosen"]  # (T,)
        return self._mean("chosen"), (self._totals["chosen and right"] / chosen).float()

    def _mean(self, *name: Any) -> Tensor:
        return (self._totals[name if len(name) > 1 else name[0]] / self.samples).float()

    def _sums(self, thoughts: Thoughts, targets: Tensor) -> dict[Any, Tensor]:
        """Everything that is counted, over a batch."""
        certainty, (batch, ticks) = thoughts.certainty, thoughts.certainty.shape
        exact = widest(certainty.device)
        sums: dict[Any, Tensor] = {"certainty": certainty.sum(0, dtype=exact)}
        right = {}
        for rule in WAYS:
            likeliest = thoughts.answers(rule).topk(max(self.tops), dim=-1).indices  # (B, T, *answer, top)
            hits = (likeliest == targets[:, None, ..., None]).cumsum(-1)  # (B, T, *answer, top)
            for top in self.tops:
                right[rule, top] = hits[..., top - 1].view(batch, ticks, -1).mean(-1, dtype=exact)  # (B, T)
                sums["right", rule, top] = right[rule, top].sum(0)
        levels = (certainty.clamp(0, 1) * STEPS).ceil().long()  # (B, T)
        sums["histogram"] = F.one_hot(levels, STEPS + 1).sum(0).to(exact)  # (T, STEPS + 1)
        for threshold in THRESHOLDS:
            sure = (certainty >= threshold).to(exact)  # (B, T)
            sums["sure", threshold] = sure.sum(0)
            sums["sure and right", threshold] = (sure * right["last", 1]).sum(0)
        chosen = F.one_hot(thoughts.most_certain_tick()[:, -1], ticks).to(exact)  # (B, T)
        sums["chosen"] = chosen.sum(0)
        sums["chosen and right"] = (chosen * right["last", 1]).sum(0)
        if targets.dim() == 1:
            sure = (certainty >= SURE).cummax(1).values  # (B, T) from the first sure tick on
            first = (sure & ~F.pad(sure, (1, -1))).to(exact)  # (B, T)
            sums["first sure"] = first.T @ F.one_hot(targets, thoughts.logits.shape[-1]).to(exact)  # (T, C)
        return sums

    def _calibrate(self, thoughts: Thoughts, targets: Tensor) -> None:
        probability = thoughts.logits.softmax(-1)  # (B, T, C)
        ticks = torch.arange(1, thoughts.ticks + 1, device=probability.device)
        so_far = probability.cumsum(1) / ticks[:, None]  # (B, T, C)
        kept = [(self.own_calibration, thoughts.logits, probability)]
        kept += [(self.calibration[rule], thoughts.answers(rule), so_far) for rule in WAYS]
        for calibration, answers, probability in kept:
            given = answers.argmax(-1, keepdim=True)  # (B, T, 1)
            calibration.add(probability.gather(-1, given).squeeze(-1), given.squeeze(-1) == targets[:, None])


@styled()
def accuracy_over_ticks(seen: OverTicks) -> Figure:
    """Accuracy against internal ticks for the four ways to answer, and that of the five likeliest (Figure 10a).

    Returns:
        a figure with a panel for each of `seen.tops`.
    """
    panels = len(seen.tops)
    figure = canvas(height=3.6, width=5.6 if panels == 1 else WIDTH)
    figure.subplots_adjust(left=0.56 / figure.get_figwidth(), right=0.98, bottom=0.14, top=0.9, wspace=0.17)
    for axes, top in zip(figure.subplots(1, panels, squeeze=False)[0], seen.tops, strict=True):
        for (rule, name), colour in zip(WAYS.items(), SERIES, strict=False):
            accuracy = seen.accuracy(rule, top)  # (T,)
            axes.plot(_ticks(seen), accuracy, color=colour, marker="o", markersize=3, label=name)
        axes.set_title("Accuracy" if top == 1 else f"Top-{top} accuracy")
        axes.grid(axis="y")
        tick_axis(axes, seen.ticks)
    axes.legend(loc="lower right", title="answer", alignment="left")
    return figure


@styled()
def certainty_over_ticks(seen: OverTicks) -> Figure:
    """Certainty against internal ticks: its distribution, and how many samples could halt (Figure 5a).

    Returns:
        a figure with two panels: quantiles of certainty; and the share of samples above certainties of 0.5, 0.8
        and 0.9, with those of them that are wrong shaded.
    """
    figure = canvas(height=3.4)
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.15, top=0.9, wspace=0.17)
    spread, sure = figure.subplots(1, 2)
    ticks = _ticks(seen)
    for low, high, alpha in ((0.05, 0.95, 0.16), (0.25, 0.75, 0.3)):
        lower, upper = seen.certainty_quantile(low), seen.certainty_quantile(high)
        label = f"{low:.0%} to {high:.0%} of samples"
        spread.fill_between(ticks, lower, upper, color=BLUE, alpha=alpha, linewidth=0, label=label)
    spread.plot(ticks, seen.certainty_quantile(0.5), color=BLUE, label="median")
    spread.plot(ticks, seen.certainty(), color=INK, linewidth=1, linestyle="--", label="mean")
    for threshold, colour in THRESHOLDS.items():
        share, right = seen.sure(threshold)
        sure.plot(ticks, share, color=colour, label=f"certainty above {threshold}")
        sure.fill_between(ticks, right, share, color=colour, alpha=0.3, linewidth=0)
    sure.fill_between([], [], color=MUTED, alpha=0.3, linewidth=0, label="of these wrong")
    spread.set_title("Certainty")
    sure.set_title("Share of samples that are sure")
    for axes in (spread, sure):
        axes.set_ylim(-0.02, 1.02)
        axes.grid(axis="y")
        axes.legend(loc="lower right")
        tick_axis(axes, len(ticks))
    return figure


def _ticks(seen: OverTicks) -> list[int]:
    return list(range(1, seen.ticks + 1))
