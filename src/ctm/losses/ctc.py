"""Connectionist temporal classification: answers that are emitted over ticks (appendix G.4)."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from ctm.kernels.precision import at_least_float32

_NEVER = -1e30  # the logarithm of nothing, finite so that gradients are


def ctc_over_ticks(logits: Float[Tensor, "B T C"], targets: Int[Tensor, "B N"]) -> Float[Tensor, ""]:
    """Connectionist temporal classification of answers that are emitted over ticks, in float32 at least.

    Args:
        logits: what is said at every tick; the last class is the blank, which says nothing.
        targets: the N classes to emit, in order; at most T, and fewer by one for every repetition.

    Returns:
        the mean over the batch of the negative log-likelihood divided by N.
    """
    log_probability = at_least_float32(logits).log_softmax(-1).transpose(0, 1)  # (T, B, C)
    ticks, batch, classes = log_probability.shape
    if log_probability.device.type != "cpu":  # where PyTorch's own would make the host wait for lengths and targets
        return (_unlikelihood(log_probability, targets) / targets.shape[1]).mean()
    lengths = (torch.full((batch,), length) for length in (ticks, targets.shape[1]))
    return F.ctc_loss(log_probability, targets, *lengths, blank=classes - 1)


def _unlikelihood(log_probability: Float[Tensor, "T B C"], targets: Int[Tensor, "B N"]) -> Float[Tensor, " B"]:
    """The negative log of the probability of all ways to emit the targets, by the forward recursion over ticks.

    The states are the 2 N + 1 places of a path: a blank, the first target, a blank, the second, …, a blank.
    """
    ticks, batch, classes = log_probability.shape
    states = torch.full((batch, 2 * targets.shape[1] + 1), classes - 1, device=targets.device)  # (B, S)
    states[:, 1::2] = targets
    skips = F.pad((states[:, 2:] != states[:, :-2]) & (states[:, 2:] != classes - 1), (2, 0))  # (B, S) past a blank
    likely = log_probability.gather(2, states.expand(ticks, -1, -1))  # (T, B, S)
    path = F.pad(likely[0, :, :2], (0, states.shape[1] - 2), value=_NEVER)  # (B, S)
    for tick in range(1, ticks):
        one, two = (F.pad(path[:, :-steps], (steps, 0), value=_NEVER) for steps in (1, 2))
        path = torch.stack([path, one, two.where(skips, _NEVER)]).logsumexp(0) + likely[tick]
    total = path[:, -2:].logsumexp(1)  # (B,) ending in the last target, or in a blank after it
    return -total.masked_fill(total < _NEVER / 2, -torch.inf)
