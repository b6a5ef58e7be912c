"""How sure an answer is (section 3.5)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ctm.kernels.precision import at_least_float32


def certainty(logits: Float[Tensor, "*shape C"], positions: int = 0) -> Float[Tensor, "*rest"]:
    """1 minus the entropy of the answer, normalised by log C and averaged over answer positions.

    Computed in float32 at least, whatever the precision of the logits.

    Args:
        logits: (…, *answer, C).
        positions: how many dimensions `answer` has; these are averaged over.

    Returns:
        (…), from 0 (all classes equally likely) to 1 (no doubt).
    """
    log_probability = torch.log_softmax(at_least_float32(logits), dim=-1)
    entropy = -(log_probability.exp() * log_probability).sum(-1)  # (…, *answer)
    sure = 1 - entropy / math.log(logits.shape[-1])
    return sure.flatten(sure.dim() - positions).mean(-1) if positions else sure
