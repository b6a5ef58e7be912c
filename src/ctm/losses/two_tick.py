"""The losses over internal ticks (section 3.5, Listing 4), and the curriculum of mazes (section D.3)."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ctm.kernels.precision import at_least_float32

Second = Literal["most_certain", "last"]
Curriculum = Literal["as_written", "as_trained"]


def two_tick_loss(
    losses: Float[Tensor, "B T"], certainty: Float[Tensor, "B T"], second: Second = "most_certain"
) -> Float[Tensor, ""]:
    """The mean of the loss at two ticks, chosen for every sample by itself (eq. 11).

    Args:
        losses: the loss of every sample at every tick.
        certainty: how certain each was.
        second: t2; the first tick t1 is always that of least loss. "most_certain" as the CTM is trained, "last" as
            the baselines are.

    Returns:
        the mean over the batch of (L[t1] + L[t2]) / 2.
    """
    least = losses.min(dim=1).values  # (B,)
    if second == "last":
        return (least + losses[:, -1]).mean() / 2
    chosen = certainty.argmax(dim=1, keepdim=True)  # (B, 1)
    return (least + losses.gather(1, chosen).squeeze(1)).mean() / 2


def cross_entropy_over_ticks(
    logits: Float[Tensor, "B T *answer C"], targets: Int[Tensor, "B *answer"]
) -> Float[Tensor, "B T"]:
    """Cross-entropy at every tick, averaged over answer positions, in float32 at least."""
    return _cross_entropy(logits, targets).view(*logits.shape[:2], -1).mean(-1)


def curriculum_over_ticks(
    logits: Float[Tensor, "B T S C"],
    targets: Int[Tensor, "B S"],
    lookahead: int = 5,
    curriculum: Curriculum = "as_written",
) -> Float[Tensor, "B T"]:
    """Cross-entropy at every tick, averaged over the first positions only: as many as are right, and a few more.

    Right are the longest correct beginning of a sample's answer at any tick, so all its ticks are compared on the same
    positions (section D.3).

    Args:
        logits: answers of S positions that build on each other, such as the moves of a route.
        targets: the right ones.
        lookahead: how many positions more than the right ones.
        curriculum: "as_written" counts n + lookahead positions where n are right, as the paper's text has it;
            "as_trained" one fewer, except for n = 0, as the authors' code, which made the paper's numbers.
    """
    length = targets.shape[1]
    right = logits.argmax(-1) == targets.unsqueeze(1)  # (B, T, S)
    known = right.int().cumprod(-1).sum(-1).amax(1)  # (B,)
    if curriculum == "as_trained":
        known = (known - 1).clamp_min(0)
    counted = torch.arange(length, device=targets.device) < (known + lookahead).unsqueeze(1)  # (B, S)
    counted = counted.unsqueeze(1).to(torch.float32)  # (B, 1, S)
    return (_cross_entropy(logits, targets) * counted).sum(-1) / counted.sum(-1)


def _cross_entropy(
    logits: Float[Tensor, "B T *answer C"], targets: Int[Tensor, "B *answer"]
) -> Float[Tensor, "B T *answer"]:
    """Cross-entropy of every position at every tick."""
    targets = targets.unsqueeze(1).expand(logits.shape[:-1])  # (B, T, *answer)
    losses = F.cross_entropy(at_least_float32(logits).flatten(0, -2), targets.flatten(), reduction="none")
    return losses.view(logits.shape[:-1])
