"""What some samples say of the mean of all others: tests that hold for any distribution and any number of samples."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def p_value(losses: Float[Tensor, " N"], bound: float, binary: bool) -> float:
    """How probable it is at most to see so low a mean of N losses, if their expectation is above a bound.

    Exact for losses that are 0 or 1, by the binomial distribution; otherwise by the inequality of Hoeffding or that of
    Bentkus, whichever says more (Bates et al. 2021, "Distribution-free, risk-controlling prediction sets").

    Args:
        losses: independent, from 0 to 1.
        bound: between 0 and 1.
        binary: whether losses can only be 0 or 1.
    """
    samples, total = len(losses), float(losses.cpu().double().sum())
    binomial = _binomial(samples, math.ceil(total - 1e-9), bound)
    if binary:
        return binomial
    mean = min(total / samples, bound)
    return min(math.exp(-samples * _divergence(mean, bound)), math.e * binomial)


def upper_bound(losses: Float[Tensor, " N"], confidence: float, binary: bool) -> float:
    """What the expectation of the losses is at most with some confidence: that of Clopper and Pearson, if binary.

    Args:
        losses, binary: as for `p_value`.
        confidence: between 0 and 1.
    """
    low, high = float(losses.cpu().double().mean()), 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(losses, middle, binary) <= 1 - confidence else (middle, high)
    return high


def fewest_samples(bound: float, confidence: float) -> int:
    """How many losses of 0 it takes to be so confident that their expectation is no higher than a bound."""
    return math.ceil(math.log(1 - confidence) / math.log1p(-bound))


def _binomial(samples: int, successes: int, probability: float) -> float:
    """The probability of at most so many successes, each of the given probability, in so many samples."""
    if successes >= samples:
        return 1.0
    k = torch.arange(successes + 1, dtype=torch.float64)
    ways = math.lgamma(samples + 1) - torch.lgamma(k + 1) - torch.lgamma(samples - k + 1)
    each = ways + k * math.log(probability) + (samples - k) * math.log1p(-probability)  # (successes + 1,)
    return min(math.exp(float(each.logsumexp(0))), 1.0)


def _divergence(mean: float, expectation: float) -> float:
    """Of Kullback and Leibler, between two coins."""
    return sum(p * math.log(p / q) for p, q in ((mean, expectation), (1 - mean, 1 - expectation)) if p > 0)
