"""Cores without a memory of their own: synapses alone, and a feed-forward layer (appendices D.4, G.1, G.3)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.cores.base import Core, CoreConfig, symmetric_uniform
from ctm.kernels.deferred import shared
from ctm.synapses import Connect, SynapseConfig


class MemorylessState(NamedTuple):
    """What a core without memory of its own remembers."""

    post_activations: Tensor  # z (B, D)

    @property
    def pre_activations(self) -> None:
        """What the synapses say is z itself."""


class SynapseCore(Core):
    """Synapses without neuron-level models: what they say is z (the ablation of appendix G.3).

    Attributes:
        start_post_activations: (D,) the learned z^1.
    """

    @dataclass(frozen=True)
    class Config(CoreConfig, kind="synapses"):
        """Neurons that do not think for themselves."""

        synapses: SynapseConfig
        """How neurons are connected."""

        def build(self, observed: int) -> "SynapseCore":
            return SynapseCore(self, observed)

    def __init__(self, config: "SynapseCore.Config", observed: int) -> None:
        super().__init__()
        self.synapses = config.synapses.build(observed, config.neurons)
        self.start_post_activations = nn.Parameter(symmetric_uniform(config.neurons, bound=config.neurons**-0.5))

    def start(self, batch: int) -> MemorylessState:
        """The learned state before the first tick, for every sample."""
        return MemorylessState(self.start_post_activations.expand(batch, -1))

    def prepare(self, ticks: int) -> Connect:
        """The synapses for all ticks."""
        return self.synapses.prepare()

    def step(self, state: MemorylessState, observation: Float[Tensor, "B E"], prepared: Connect) -> MemorylessState:
        """One tick: connect."""
        return MemorylessState(prepared(torch.cat([observation, state.post_activations], dim=-1)))


class FeedForwardCore(Core):
    """A hidden layer and no recurrence: every tick says the same, so one is enough (appendices D.4, G.1)."""

    @dataclass(frozen=True)
    class Config(CoreConfig, kind="feed_forward"):
        """A perceptron's hidden layer."""

        activation: Literal["relu", "glu"] = "relu"
        """Its non-linearity: "relu" for images, "glu" for mazes."""
        dropout: float = 0.0
        """Probability that one of its outputs is dropped in training."""

        def validate(self) -> None:
            super().validate()
            self.require(0 <= self.dropout < 1, "dropout", "0 <= dropout < 1")

        def build(self, observed: int) -> "FeedForwardCore":
            return FeedForwardCore(self, observed)

    def __init__(self, config: "FeedForwardCore.Config", observed: int) -> None:
        super().__init__()
        self.neurons = config.neurons
        glu = config.activation == "glu"
        linear = nn.Linear(observed, 2 * self.neurons if glu else self.neurons)
        self.layers = nn.Sequential(linear, nn.GLU() if glu else nn.ReLU(), nn.Dropout(config.dropout))

    def start(self, batch: int) -> MemorylessState:
        """Nothing has been seen."""
        return MemorylessState(next(self.parameters()).new_zeros(batch, self.neurons))

    def prepare(self, ticks: int) -> Callable[[Tensor], Tensor]:
        """The layer for all ticks."""
        return shared(self.layers)

    def step(
        self, state: MemorylessState, observation: Float[Tensor, "B E"], prepared: Callable[[Tensor], Tensor]
    ) -> MemorylessState:
        """One tick, which forgets the one before."""
        return MemorylessState(prepared(observation))
