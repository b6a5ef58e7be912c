"""What proximal policy optimisation minimises (Schulman et al. 2017), with the terms of the paper's Table 10."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class PPOTerms(NamedTuple):
    """The terms of the objective, each (), averaged over the actions that count."""

    policy: Tensor
    """Clipped surrogate of what the policy gains, with the sign turned."""
    value: Tensor
    """Half the squared error of the values."""
    entropy: Tensor
    """Of the policy."""
    clipped: Tensor
    """The share of actions whose probability has changed too much for a gradient that changes it further."""
    divergence: Tensor
    """An estimate of the Kullback-Leibler divergence from the policy that acted."""


def ppo_terms(
    log_probabilities: Float[Tensor, "*rows"],
    entropies: Float[Tensor, "*rows"],
    values: Float[Tensor, "*rows"],
    acted: Float[Tensor, "*rows"],
    advantages: Float[Tensor, "*rows"],
    returns: Float[Tensor, "*rows"],
    counts: Bool[Tensor, "*rows"],
    clip: float,
) -> PPOTerms:
    """The terms of the objective, over the actions of a minibatch.

    Args:
        log_probabilities: of the actions, as the policy is now.
        entropies: of the policy.
        values: as expected now.
        acted: the log-probabilities of the actions when they were taken.
        advantages: of the actions; those that count are shifted and scaled to mean 0 and deviation 1.
        returns: what the values should have been.
        counts: which rows are actions that led somewhere.
        clip: epsilon: ratios of probabilities within 1 - clip and 1 + clip have a gradient.
    """
    weight = counts / counts.sum().clamp_min(1)
    mean = (advantages * weight).sum()
    deviation = ((advantages - mean).square() * counts).sum().div((counts.sum() - 1).clamp_min(1)).sqrt()
    advantages = (advantages - mean) / (deviation + 1e-8)
    change = (log_probabilities - acted).masked_fill(~counts, 0)
    ratio = change.exp()
    gained = torch.minimum(advantages * ratio, advantages * ratio.clamp(1 - clip, 1 + clip))
    return PPOTerms(
        policy=-(gained * weight).sum(),
        value=((values - returns).square() * weight).sum() / 2,
        entropy=(entropies * weight).sum(),
        clipped=(((ratio - 1).abs() > clip) * weight).sum().detach(),
        divergence=((ratio - 1 - change) * weight).sum().detach(),
    )
