"""The loss of mazes, which counts as many moves as are right and a few more (section D.3)."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ctm.losses.base import LossConfig
from ctm.losses.cross_entropy import cross_entropy
from ctm.losses.two_tick import SecondTick, two_tick_loss
from ctm.thoughts import Thoughts

Curriculum = Literal["as_written", "as_trained"]


@dataclass(frozen=True)
class CurriculumLoss(LossConfig, kind="curriculum"):
    """Two-tick cross-entropy of the first positions only: of as many as are right, and a few more."""

    curriculum: Curriculum = "as_written"
    """How many positions count: "as_written" in the paper, or one fewer "as_trained" by the authors' code; see
    `curriculum_over_ticks`."""
    lookahead: int = 5
    """How many positions more than those already right."""
    second_tick: SecondTick = "most_certain"
    """"most_certain" as a CTM is trained, "last" as the paper's baselines are."""

    def validate(self) -> None:
        self.require(self.lookahead >= 1, "lookahead", "at least 1")

    def __call__(self, thoughts: Thoughts, targets: Tensor) -> Float[Tensor, ""]:
        thoughts = thoughts.due
        losses = curriculum_over_ticks(thoughts.logits, targets, self.lookahead, self.curriculum)
        return two_tick_loss(losses, thoughts.certainty, self.second_tick)


def curriculum_over_ticks(
    logits: Float[Tensor, "B T positions C"],
    targets: Int[Tensor, "B positions"],
    lookahead: int = 5,
    curriculum: Curriculum = "as_written",
) -> Float[Tensor, "B T"]:
    """Cross-entropy at every tick, averaged over the first positions only: as many as are right, and a few more.

    Right are the longest correct beginning of a sample's answer at any tick, so all its ticks are compared on the same
    positions (section D.3).

    Args:
        logits: answers of positions that build on each other, such as the moves of a route.
        targets: the right ones.
        lookahead: how many positions more than the right ones.
        curriculum: "as_written" counts n + lookahead positions where n are right, as the paper's text has it;
            "as_trained" one fewer, except for n = 0, as the authors' code, which made the paper's numbers.
    """
    length = targets.shape[1]
    right = logits.argmax(-1) == targets.unsqueeze(1)  # (B, T, positions)
    known = right.int().cumprod(-1).sum(-1).amax(1)  # (B,)
    if curriculum == "as_trained":
        known = (known - 1).clamp_min(0)
    counted = torch.arange(length, device=targets.device) < (known + lookahead).unsqueeze(1)  # (B, positions)
    counted = counted.unsqueeze(1).to(torch.float32)  # (B, 1, positions)
    return (cross_entropy(logits, targets) * counted).sum(-1) / counted.sum(-1)
