"""What more ticks bring, over a whole data set: accuracy for every way of answering, and certainty."""

import torch
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.style import BLUE, GREEN, INK, MUTED, PURPLE, SERIES, canvas, styled, tick_axis
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


class OverTicks:
    """Collects how right and how sure a model is at every tick, batch by batch.

    >>> seen = OverTicks()
    >>> for x, targets in batches:
    ...     seen.add(model(x), targets)
    >>> seen.accuracy("mean")                        # (T,)
    >>> accuracy_over_ticks(seen).savefig("accuracy.png")

    Args:
        top: an answer is right if the target is among the `top` likeliest classes (5 in Figure 10).
    """

    def __init__(self, top: int = 1) -> None:
        self.top = top
        self._certainty: list[Tensor] = []
        self._right: dict[Rule, list[Tensor]] = {rule: [] for rule in WAYS}

    def add(self, thoughts: Thoughts, targets: Tensor) -> None:
        """Takes in a batch; targets are (B, *answer)."""
        self._certainty.append(thoughts.certainty.detach().float().cpu())  # (B, T)
        for rule, collected in self._right.items():
            likeliest = thoughts.answers(rule).detach().topk(self.top, dim=-1).indices  # (B, T, *answer, top)
            right = (likeliest == targets[:, None, ..., None]).any(-1).float()  # (B, T, *answer)
            collected.append(right.flatten(2).mean(-1).cpu() if right.dim() > 2 else right.cpu())  # (B, T)

    @property
    def certainty(self) -> Tensor:
        """How certain every sample's answer was, (N, T)."""
        return torch.cat(self._certainty)

    def right(self, rule: Rule = "last") -> Tensor:
        """The share of every sample's answer that was right, (N, T)."""
        return torch.cat(self._right[rule])

    def accuracy(self, rule: Rule = "last") -> Tensor:
        """Accuracy at every tick, (T,), over samples and answer positions."""
        return self.right(rule).mean(0)

    def sure(self, threshold: float) -> tuple[Tensor, Tensor]:
        """The share of samples at least so certain at every tick, and of those also right, both (T,)."""
        sure = (self.certainty >= threshold).float()  # (N, T)
        return sure.mean(0), (sure * self.right()).mean(0)


@styled()
def accuracy_over_ticks(seen: OverTicks) -> Figure:
    """Accuracy against internal ticks for the four ways to answer (Figure 10a)."""
    figure = canvas(height=3.6, width=5.6)
    figure.subplots_adjust(left=0.1, right=0.97, bottom=0.14, top=0.9)
    axes = figure.add_subplot()
    for (rule, name), colour in zip(WAYS.items(), SERIES, strict=False):
        accuracy = seen.accuracy(rule)  # (T,)
        axes.plot(_ticks(accuracy), accuracy, color=colour, marker="o", markersize=3, label=name)
    axes.set_title("Accuracy" if seen.top == 1 else f"Top-{seen.top} accuracy")
    axes.grid(axis="y")
    axes.legend(loc="lower right", title="answer", alignment="left")
    tick_axis(axes, len(accuracy))
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
    certainty = seen.certainty  # (N, T)
    ticks = _ticks(certainty[0])
    for low, high, alpha in ((0.05, 0.95, 0.16), (0.25, 0.75, 0.3)):
        lower, upper = certainty.quantile(low, dim=0), certainty.quantile(high, dim=0)
        label = f"{low:.0%} to {high:.0%} of samples"
        spread.fill_between(ticks, lower, upper, color=BLUE, alpha=alpha, linewidth=0, label=label)
    spread.plot(ticks, certainty.median(0).values, color=BLUE, label="median")
    spread.plot(ticks, certainty.mean(0), color=INK, linewidth=1, linestyle="--", label="mean")
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


def _ticks(like: Tensor) -> list[int]:
    return list(range(1, len(like) + 1))
