"""Cross-entropy at every tick, and at the last one alone."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ctm.kernels.precision import at_least_float32
from ctm.losses.base import LossConfig
from ctm.thoughts import Thoughts


@dataclass(frozen=True)
class LastTickLoss(LossConfig, kind="last_tick"):
    """Cross-entropy at the last tick, as networks without internal ticks are trained."""

    def __call__(self, thoughts: Thoughts, targets: Tensor) -> Float[Tensor, ""]:
        return cross_entropy_over_ticks(thoughts.logits[:, -1:], targets).mean()


def cross_entropy_over_ticks(
    logits: Float[Tensor, "B T *answer C"], targets: Int[Tensor, "B *answer"]
) -> Float[Tensor, "B T"]:
    """Cross-entropy at every tick, averaged over answer positions, in float32 at least."""
    return cross_entropy(logits, targets).view(*logits.shape[:2], -1).mean(-1)


def cross_entropy(
    logits: Float[Tensor, "B T *answer C"], targets: Int[Tensor, "B *answer"]
) -> Float[Tensor, "B T *answer"]:
    """Cross-entropy of every position at every tick, in float32 at least."""
    targets = targets.unsqueeze(1).expand(logits.shape[:-1])  # (B, T, *answer)
    losses = F.cross_entropy(at_least_float32(logits).flatten(0, -2), targets.flatten(), reduction="none")
    return losses.view(logits.shape[:-1])
