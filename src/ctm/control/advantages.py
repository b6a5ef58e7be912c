"""How much better actions were than expected: generalised advantage estimation (Schulman et al. 2016)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def generalised_advantages(
    rewards: Float[Tensor, "L B"],
    values: Float[Tensor, "steps B"],
    terminated: Bool[Tensor, "L B"],
    truncated: Bool[Tensor, "L B"],
    discount: float,
    trace_decay: float,
    bootstrap: bool = True,
) -> Float[Tensor, "L B"]:
    """The advantages of L actions in a row in B environments, A = delta + discount trace_decay A'.

    The action of a step is taken at the observation of that step; what it led to is the observation of the next one.
    After an episode has ended, the action at its last observation leads nowhere: its row is of no use, and nothing is
    carried over it.

    Args:
        rewards: of the actions.
        values: expected of the observations, L + 1 of them.
        terminated: whether the action ended the episode, as it ends there: nothing is expected after it.
        truncated: whether it was cut off after the action.
        discount: gamma.
        trace_decay: lambda.
        bootstrap: expect of the last observation of a truncated episode what the values say; without it nothing, as if
            it had terminated, which is what the authors do.
    """
    ended = terminated | truncated
    expects_nothing = terminated if bootstrap else ended
    following = values[1:].masked_fill(expects_nothing, 0)
    deltas = rewards + discount * following - values[:-1]
    advantage = torch.zeros_like(values[0])
    advantages = torch.empty_like(deltas)
    for step in reversed(range(len(rewards))):
        advantage = deltas[step] + discount * trace_decay * advantage.masked_fill(ended[step], 0)
        advantages[step] = advantage
    return advantages
