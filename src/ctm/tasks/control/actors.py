"""Agents as what acts in environments: they choose actions, and may be watched."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from ctm.control.agent import Agent
from ctm.control.policies import sample
from ctm.control.unrolled import AgentStream
from ctm.kernels.precision import at_least_float32
from ctm.machine import State
from ctm.randomness import generator


class Actor:
    """Chooses actions for observations, step after step.

    Args:
        agent: who acts.
        count: environments.
        greedy: take the likeliest action, instead of drawing one.
        seed: of the actions that are drawn.
    """

    def __init__(self, agent: Agent, count: int, greedy: bool, seed: int) -> None:
        self.agent, self.greedy = agent, greedy
        self.acting = AgentStream(agent, agent.initial_state(count))
        self.source = generator(seed)

    def __call__(self, observations: Tensor, started: Tensor) -> Tensor:
        device = self.acting.state.ticks.device
        numbers, values = self.acting.observe(observations.to(device), started)
        return self.choose(numbers.float().cpu(), values.float().cpu())

    def choose(self, numbers: Tensor, values: Tensor) -> Tensor:
        """The actions, given the numbers of the policies and the values."""
        policy = self.agent.policy(numbers)
        return policy.mode if self.greedy else sample(policy, self.source)


class RecordingActor(Actor):
    """The same, which remembers what it thought.

    Attributes:
        numbers, values: of the policy and the value, (B, …) for each step.
        activity: post-activations (B, D) after each tick.
    """

    def __init__(self, agent: Agent, count: int, greedy: bool, seed: int) -> None:
        super().__init__(agent, count, greedy, seed)
        self.numbers: list[Tensor] = []
        self.values: list[Tensor] = []
        self.activity: list[Tensor] = []
        self.acting = AgentStream(agent, self.acting.state, self._note)

    def _note(self, state: State) -> None:
        self.activity.append(at_least_float32(state.core.post_activations).cpu())

    def choose(self, numbers: Tensor, values: Tensor) -> Tensor:
        self.numbers.append(numbers)
        self.values.append(values)
        return super().choose(numbers, values)


class RecordedEpisode(NamedTuple):
    """S steps of an episode, and what the agent thought at each."""

    frames: list[np.ndarray]
    """(H, W, 3) each, the environment as it was observed; none if it was not drawn."""
    actions: Tensor
    """(S,) or (S, numbers)."""
    probabilities: Tensor | None
    """(S, A) of all actions; nothing where an action is numbers."""
    rewards: Tensor
    """(S,)."""
    values: Tensor
    """(S,), expected."""
    certainty: Tensor
    """(S,)."""
    activity: Tensor
    """(S T, D), post-activations of all ticks."""

    @property
    def ticks(self) -> int:
        """T, ticks of a step."""
        return len(self.activity) // len(self.actions)
