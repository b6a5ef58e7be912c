"""The answer that a rule chooses among those of all ticks so far, kept up to date in constant memory."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ctm.thoughts import Rule


class RunningAnswer(NamedTuple):
    """What `Thoughts.answers` would give at this tick: by every rule a weighted mean of the logits so far."""

    highest: Tensor  # (B,) certainty
    total: Tensor  # (B, *answer, C) the weighted sum of logits
    weight: Tensor  # (B,) the sum of weights

    @classmethod
    def start(cls, batch: int, shape: tuple[int, ...], like: Tensor) -> "RunningAnswer":
        """Before the first tick, for answers of a shape (*answer, C)."""
        return cls(like.new_full((batch,), -1.0), like.new_zeros(batch, *shape), like.new_zeros(batch))

    def add(
        self, logits: Float[Tensor, "B *shape"], certainty: Float[Tensor, " B"], rule: Rule, threshold: float
    ) -> "RunningAnswer":
        """Takes in one more tick.

        Args:
            logits: (B, *answer, C).
            certainty: (B,) of these logits.
            rule: the same at every tick.
            threshold: the certainty that counts as sure; only for the rule "sure".
        """
        one = torch.ones_like(certainty)
        if rule == "last":
            keep, weight = 0 * one, one
        elif rule == "most_certain":
            weight = (certainty > self.highest).to(one)
            keep = 1 - weight
        elif rule == "sure":
            keep, weight = (self.highest >= threshold).to(one), one
        else:
            keep, weight = one, one if rule == "mean" else certainty.clamp_min(torch.finfo(one.dtype).eps)
        total = self.total * self._wide(keep) + logits * self._wide(weight)
        return RunningAnswer(torch.maximum(self.highest, certainty), total, self.weight * keep + weight)

    def only(self, due: Bool[Tensor, " B"]) -> "RunningAnswer":
        """The same for samples whose answer is due, and as before the first tick for the others."""
        keep = due.to(self.weight)
        return RunningAnswer(torch.where(due, self.highest, -1.0), self.total * self._wide(keep), self.weight * keep)

    def _wide(self, per_sample: Tensor) -> Tensor:
        return per_sample.view(-1, *[1] * (self.total.dim() - 1))

    @property
    def answers(self) -> Tensor:
        """(B, *answer, C)."""
        return self.total / self._wide(self.weight)
