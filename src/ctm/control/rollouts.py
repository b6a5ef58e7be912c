"""What an agent lives through: some steps in all environments at a time, and where it goes on after them."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Generator, Tensor

from ctm.control.agent import Agent
from ctm.control.environments import Environments, Episodes
from ctm.control.policies import sample
from ctm.control.reward_scale import RewardScale
from ctm.control.unrolled import AgentStream
from ctm.inputs import tree_map
from ctm.machine import State


class Rollout(NamedTuple):
    """L steps in B environments; rows of final observations are no actions, and lead nowhere."""

    observations: Tensor
    """(L, B, *shape), what was seen."""
    started: Bool[Tensor, "L B"]
    """Where it was the first observation of an episode."""
    counts: Bool[Tensor, "L B"]
    """Where an action was taken that counted: not at the last observation of an episode."""
    actions: Tensor
    """(L, B) or (L, B, numbers)."""
    log_probabilities: Float[Tensor, "L B"]
    """Of the actions, when they were taken."""
    values: Float[Tensor, "steps B"]
    """Expected of the observations, and of the one after the last action, L + 1 of them."""
    rewards: Float[Tensor, "L B"]
    """Of the actions, scaled if that is asked for."""
    terminated: Bool[Tensor, "L B"]
    """Where an action ended the episode."""
    truncated: Bool[Tensor, "L B"]
    """Where an episode was cut off after the action."""
    state: State
    """The agent's before the first observation, without gradients."""


class RolloutCollector:
    """An agent's life in B environments, which goes on from rollout to rollout.

    Args:
        agent: acts; its weights may change between rollouts.
        environments: B.
        scale: what rewards are divided by; nothing to leave them as they are.

    Attributes:
        state: the agent's, before the observation that comes next.
        started: (B,) where that is the first one of an episode.
        over: (B,) where it is the last one.
    """

    def __init__(self, agent: Agent, environments: Environments, scale: RewardScale | None) -> None:
        self.agent, self.environments, self.scale = agent, environments, scale
        self.state: State = carried(agent.initial_state(environments.count))
        self.started = torch.ones(environments.count, dtype=torch.bool)
        self.over = torch.zeros(environments.count, dtype=torch.bool)

    def restart(self, seed: int) -> None:
        """Begins new episodes everywhere."""
        self.environments.reset(seed)
        self.started, self.over = torch.ones_like(self.started), torch.zeros_like(self.over)
        if self.scale is not None:
            self.scale.returns.zero_()

    def collect(self, steps: int, generator: Generator) -> Rollout:
        """The next steps.

        Args:
            steps: L.
            generator: draws the actions; on the CPU.

        Raises:
            RunError: if an environment fails.
        """
        device = self.state.ticks.device
        acting, before, rows, values = AgentStream(self.agent, self.state), self.state, [], []
        for _ in range(steps):
            seen = self.environments.observations
            numbers, value = acting.observe(seen.to(device), self.started)
            policy = self.agent.policy(numbers.cpu())
            action = sample(policy, generator)
            step = self.environments.step(action)
            ended, counts = step.terminated | step.truncated, ~self.over
            rewards = step.rewards if self.scale is None else self.scale(step.rewards, ended, counts)
            rows.append(
                (
                    *(seen, self.started, counts, action, policy.log_prob(action)),
                    *(rewards, step.terminated, step.truncated),
                )
            )
            values.append(value.float())
            self.started, self.over = step.started, ended
        self.state = carried(acting.state)
        _, value = acting.observe(self.environments.observations.to(device), self.started)
        seen, started, counts, actions, log_probabilities, rewards, terminated, truncated = map(
            torch.stack, zip(*rows, strict=True)
        )
        expected = torch.stack([*values, value.float()]).cpu()  # (L + 1, B)
        return Rollout(
            seen, started, counts, actions, log_probabilities, expected, rewards, terminated, truncated, before
        )

    def episodes(self) -> Episodes:
        """Those that have finished since this was asked before; their returns are not scaled."""
        return self.environments.episodes()


def carried(state: State) -> State:
    """A state to go on from later: without gradients, and in memory of its own, with a row for each sample."""
    batch = len(state.ticks)
    return tree_map(lambda tensor: tensor.detach().expand(batch, *tensor.shape[1:]).clone(), state)
