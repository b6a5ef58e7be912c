"""Policies: distributions of actions, from the numbers that an actor says."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from torch.distributions import Categorical, Independent, Normal

from ctm.kernels.precision import at_least_float32
from ctm.readouts import ActorCritic

Policy = Categorical | Independent
"""Has `log_prob(action)`, `entropy()` and `mode`, (B,), (B,) and (B,) or (B, actions)."""


def policy(readout: ActorCritic.Config, numbers: Float[Tensor, "*batch n"]) -> Policy:
    """The distribution of actions, in float32 at least.

    Its numbers are not checked, since that would make a GPU wait: of NaN come NaN.

    Args:
        readout: says whether actions are continuous.
        numbers: logits of the actions; of continuous ones means and logarithms of standard deviations.

    Returns:
        over whole numbers (…,), or over vectors (…, actions) whose entries are independent of each other.

    Raises:
        ValueError: if there are more or fewer numbers than the readout gives.
    """
    if numbers.shape[-1] != (expected := readout.shape[0] - 1):
        raise ValueError(f"policy of shape {tuple(numbers.shape)}: expected (…, {expected})")
    numbers = at_least_float32(numbers)
    if not readout.continuous:
        return Categorical(logits=numbers, validate_args=False)
    mean, log_deviation = numbers.chunk(2, dim=-1)
    return Independent(Normal(mean, log_deviation.exp(), validate_args=False), 1, validate_args=False)


def sample(policy: Policy, generator: Generator) -> Tensor:
    """Draws an action of each, without gradients.

    Args:
        policy: over actions.
        generator: source of randomness, which decides on a device of its own, such as the CPU: so actions do not depend
            on the device of the policy.

    Returns:
        (…,) int64, or (…, actions) of continuous actions.
    """
    with torch.no_grad():
        if isinstance(policy, Categorical):
            logits: Any = policy.logits
            uniform = torch.rand(logits.shape, generator=generator, device=generator.device)
            return (logits - (-uniform.log()).log().to(logits)).argmax(-1)  # the Gumbel-max trick
        noise = torch.randn(policy.mean.shape, generator=generator, device=generator.device)
        return policy.mean + policy.stddev * noise.to(policy.mean)
