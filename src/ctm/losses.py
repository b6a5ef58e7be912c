"""The losses over internal ticks (section 3.5, Listing 4; appendix G.4)."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ctm.precision import at_least_float32

Second = Literal["most_certain", "last"]


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
    targets = targets.unsqueeze(1).expand(logits.shape[:-1])  # (B, T, *answer)
    losses = F.cross_entropy(at_least_float32(logits).flatten(0, -2), targets.flatten(), reduction="none")
    return losses.view(*logits.shape[:2], -1).mean(-1)


def ctc_over_ticks(logits: Float[Tensor, "B T C"], targets: Int[Tensor, "B N"]) -> Float[Tensor, ""]:
    """Connectionist temporal classification of answers that are emitted over ticks, in float32 at least (appendix G.4).

    Args:
        logits: what is said at every tick; the last class is the blank, which says nothing.
        targets: the N classes to emit, in order; at most T, and fewer by one for every repetition.

    Returns:
        the mean over the batch of the negative log-likelihood divided by N.
    """
    log_probability = at_least_float32(logits).log_softmax(-1).transpose(0, 1)  # (T, B, C)
    ticks, batch, classes = log_probability.shape
    lengths = (torch.full((batch,), length) for length in (ticks, targets.shape[1]))  # on the CPU, where they are read
    return F.ctc_loss(log_probability, targets, *lengths, blank=classes - 1)
