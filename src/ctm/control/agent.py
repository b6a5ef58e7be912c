"""A machine that acts: it thinks for some ticks about every observation, and goes on from where it was (G.6)."""

from collections.abc import Collection

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ctm.control.policies import Policy, policy
from ctm.errors import ConfigError
from ctm.inputs import tree_map
from ctm.machine import ContinuousThoughtMachine, OnTick, Prepared, State
from ctm.readouts import ActorCritic
from ctm.thoughts import Thoughts


class Agent(nn.Module):
    """Acts with the thoughts of a machine, which it carries from observation to observation.

    >>> agent = ctm.Agent(config.build())
    >>> state = agent.initial_state(batch=8)
    >>> numbers, value, state = agent(observation, state)       # (8, n), (8,)
    >>> action = ctm.control.sample(agent.policy(numbers), generator)
    >>> state = agent.reset(state, started)                     # where a new episode begins

    Args:
        machine: with the readout `ActorCritic`.

    Raises:
        ConfigError: if it has another readout.
    """

    def __init__(self, machine: ContinuousThoughtMachine) -> None:
        super().__init__()
        readout = machine.config.readout
        if not isinstance(readout, ActorCritic.Config):
            raise ConfigError(f"readout.kind = {readout.kind!r}: expected 'actor_critic', a policy and a value")
        self.machine, self.readout = machine, readout

    def initial_state(self, batch: int) -> State:
        """The learned state before the first observation, for `batch` environments.

        Raises:
            ValueError: for a batch of less than one.
        """
        if batch < 1:
            raise ValueError(f"batch = {batch}: expected at least 1")
        return self.machine.start(batch)

    def reset(self, state: State, started: Bool[Tensor, " B"], start: State | None = None) -> State:
        """The state with which to see the next observation, which for some is the first of an episode.

        Args:
            state: of all, as it was after the last observation; gradients flow to it where an episode goes on.
            started: whether the next observation is the first of a new episode. There the state is the learned start,
                exactly, and gradients flow to that.
            start: the learned start of as many, `initial_state`, if it is at hand.

        Raises:
            ValueError: unless there is one for each sample.
        """
        if started.shape != state.ticks.shape:
            expected = f"({len(state.ticks)},), one for each sample of the state"
            raise ValueError(f"started of shape {tuple(started.shape)}: expected {expected}")

        def choose(before: Tensor, fresh: Tensor) -> Tensor:
            return torch.where(started.view(-1, *[1] * (before.dim() - 1)), fresh, before)

        return tree_map(choose, state, self.machine.start(len(started)) if start is None else start)

    def prepare_weights(self) -> Prepared:
        """What depends on weights alone: for many observations in a row, while no weight changes."""
        return self.machine.prepare_weights()

    def think(
        self,
        observation: Tensor,
        state: State,
        record: bool | Collection[str] = False,
        on_tick: OnTick | None = None,
        weights: Prepared | None = None,
    ) -> Thoughts:
        """All that is thought about an observation, tick by tick.

        Args:
            observation: (B, …) what the machine takes.
            state: where to go on from.
            record: as for `ContinuousThoughtMachine.forward`.
            on_tick: as for `ContinuousThoughtMachine.forward`.
            weights: what `prepare_weights` gave, if it was called.

        Returns:
            logits (B, T, n + 1), certainty and state after the last tick.

        Raises:
            TypeError, ValueError: as `ContinuousThoughtMachine.forward`.
        """
        if weights is None:
            return self.machine(observation, state=state, record=record, on_tick=on_tick)
        if len(observation) != len(state.ticks):
            raise ValueError(f"state of {len(state.ticks)} samples: expected {len(observation)}, as many as observed")
        prepared = self.machine.prepare(observation, weights=weights)
        return self.machine.unroll(state, prepared, self.machine.config.ticks, record, on_tick)

    def policy(self, numbers: Float[Tensor, "*batch n"]) -> Policy:
        """The distribution of actions, as `ctm.control.policy` makes it of the numbers of the policy."""
        return policy(self.readout, numbers)

    def forward(
        self, observation: Tensor, state: State, weights: Prepared | None = None
    ) -> tuple[Float[Tensor, "B n"], Float[Tensor, " B"], State]:
        """What to do now, and what to expect.

        Args:
            observation: as for `think`.
            state: as for `think`.
            weights: as for `think`.

        Returns:
            the numbers of the policy and the value after the last tick, and the state to go on from.
        """
        thoughts = self.think(observation, state, weights=weights)
        return *ActorCritic.split(thoughts.at(-1)), thoughts.state
