"""An agent over many steps of its environments at once, as training needs it: what no step changes is done once."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn

from ctm.control.agent import Agent
from ctm.machine import Prepared, State
from ctm.readouts import ActorCritic

HISTORY = 8
"""Ticks whose histories share a buffer. With more there is less copying; but wherever an episode begins, so does a new
buffer, and what is left of the old one was in vain."""


class UnrolledAgent(nn.Module):
    """The steps of an agent in B environments, one after the other.

    Observations of all steps pass through the backbone together, weights are laid out once, what they add to the
    gradients is summed once for all steps, and actor and critic read all steps together. The numbers are those of
    calling the agent at every step.

    Args:
        agent: whose parameters these are.
    """

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.agent = agent

    def forward(
        self, observations: Shaped[Tensor, "L B *shape"], started: Bool[Tensor, "L B"], state: State
    ) -> tuple[Float[Tensor, "L B _numbers"], Float[Tensor, "L B"]]:
        """What the agent makes of L observations.

        Args:
            observations: of each step.
            started: where they are the first ones of an episode, at which the agent begins anew. On the CPU, so that
                no step waits for the device.
            state: before the first of them, of B environments.

        Returns:
            the numbers of the policies, and the values.
        """
        agent, machine = self.agent, self.agent.machine
        features = machine.backbone(observations.flatten(0, 1)).unflatten(0, observations.shape[:2])  # (L, B, C, …)
        weights = machine.prepare_weights(max(HISTORY, machine.config.ticks))
        start = agent.initial_state(len(state.ticks))
        representations: list[Any] = []
        for step, (of_step, begins) in enumerate(zip(features.unbind(), started.unbind(), strict=True)):
            if step == 0 or begins.any():  # once at least, so that the learned start has a gradient in every process
                state = agent.reset(state, begins.to(features.device), start)
            state = think(agent, state, machine.prepare_features(of_step, weights))
            representations.append(machine.output.read(state.output))  # (B, P)
        return ActorCritic.split(machine.readout(torch.stack(representations)))


class AgentStream:
    """An agent that acts step by step, without gradients, and carries on what it thinks.

    Args:
        agent: which one; its weights do not change meanwhile.
        state: of B environments, to go on from.
        on_tick: called with the state after every tick.
    """

    @torch.no_grad()
    def __init__(self, agent: Agent, state: State, on_tick: Callable[[State], object] | None = None) -> None:
        self.agent, self.state, self._on_tick = agent, state, on_tick
        self._weights = agent.machine.prepare_weights(max(HISTORY, agent.machine.config.ticks))
        self._start = agent.initial_state(len(state.ticks))

    @torch.no_grad()
    def observe(
        self, observations: Shaped[Tensor, "B *shape"], started: Bool[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B _numbers"], Float[Tensor, " B"]]:
        """The numbers of the policies, and the values, for the next observations.

        Args:
            observations: what is seen now.
            started: where that is the beginning of an episode, on the CPU.
        """
        agent, machine = self.agent, self.agent.machine
        state = self.state
        if started.any():
            state = agent.reset(state, started.to(observations.device), self._start)
        self.state = think(agent, state, machine.prepare(observations, weights=self._weights), self._on_tick)
        return ActorCritic.split(machine.readout(machine.output.read(self.state.output)))


def think(agent: Agent, state: State, prepared: Prepared, on_tick: Callable[[State], object] | None = None) -> State:
    """The state after the ticks of one step."""
    for _ in range(agent.machine.config.ticks):
        state, _ = agent.machine.step(state, prepared)
        if on_tick is not None:
            on_tick(state)
    return state
