"""The recurrence over the latent state: (z, o) -> z', once per tick."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config
from ctm.kernels.neuron_pass import NeuronPass
from ctm.neurons import NeuronModels
from ctm.synapses import SynapseConfig


@dataclass(frozen=True)
class CoreConfig(Config):
    """Base of the recurrences."""

    neurons: int
    """D, the number of neurons, the width of the latent state."""

    def validate(self) -> None:
        self.require(self.neurons >= 1, "neurons", "at least 1")

    @abstractmethod
    def build(self, observed: int) -> "Core":
        """Makes the core for observations of width E = `observed`."""


class Core(nn.Module):
    """Base of the recurrences. A state has `post_activations`, z (B, D), and `pre_activations`, (B, D) or nothing."""

    def start(self, batch: int) -> Any:
        """The learned state before the first tick."""
        raise NotImplementedError

    def prepare(self, ticks: int) -> Any:
        """What no tick changes, given to every `step`; `ticks` as for `ContinuousThoughtMachine.prepare`."""
        raise NotImplementedError

    def step(self, state: Any, observation: Float[Tensor, "B E"], prepared: Any) -> Any:
        """One tick."""
        raise NotImplementedError


class NeuronState(NamedTuple):
    """What a core of neurons remembers."""

    post_activations: Tensor  # z (B, D)
    history: Tensor  # A (B, D, M), newest last

    @property
    def pre_activations(self) -> Tensor:
        """The newest column of the history, (B, D)."""
        return self.history[..., -1]


class PreparedNeurons(NamedTuple):
    """What a core of neurons shares between ticks."""

    synapses: Callable[[Tensor], Tensor]  # (o, z) (B, E + D) -> pre-activations (B, D)
    models: NeuronPass  # history (B, D, M), pre-activations (B, D) -> post-activations (B, D), history (B, D, M)


class NeuronCore(Core):
    """The CTM's own core: synapses connect the neurons, and every neuron thinks about its own past (sections 3.2, 3.3).

    Attributes:
        start_post_activations: (D,) the learned z^1.
        start_history: (D, M) the learned pre-activations before the first tick.
    """

    @dataclass(frozen=True)
    class Config(CoreConfig, kind="neurons"):
        """Neurons with synapses between them and a private model each."""

        memory: int
        """M, how many pre-activations a neuron remembers."""
        synapses: SynapseConfig
        """How neurons are connected."""
        models: NeuronModels.Config = NeuronModels.Config()
        """The neuron-level models."""

        def validate(self) -> None:
            super().validate()
            self.require(self.memory >= 1, "memory", "at least 1")

        def build(self, observed: int) -> "NeuronCore":
            return NeuronCore(self, observed)

    def __init__(self, config: "NeuronCore.Config", observed: int) -> None:
        super().__init__()
        neurons, memory = config.neurons, config.memory
        self.synapses = config.synapses.build(observed, neurons)
        self.models = NeuronModels(config.models, neurons, memory)
        self.start_post_activations = nn.Parameter(symmetric_uniform(neurons, bound=neurons**-0.5))
        self.start_history = nn.Parameter(symmetric_uniform(neurons, memory, bound=(neurons + memory) ** -0.5))

    def start(self, batch: int) -> NeuronState:
        """The learned state before the first tick, for every sample."""
        return NeuronState(self.start_post_activations.expand(batch, -1), self.start_history.expand(batch, -1, -1))

    def prepare(self, ticks: int) -> PreparedNeurons:
        """Weights laid out for all ticks, and room for their histories."""
        return PreparedNeurons(self.synapses.prepare(), self.models.prepare(ticks))

    def step(self, state: NeuronState, observation: Float[Tensor, "B E"], prepared: PreparedNeurons) -> NeuronState:
        """One tick: connect, remember, let every neuron think."""
        pre_activations = prepared.synapses(torch.cat([observation, state.post_activations], dim=-1))  # (B, D)
        return NeuronState(*prepared.models(state.history, pre_activations))


def symmetric_uniform(*shape: int, bound: float) -> Tensor:
    """A tensor drawn uniformly from [-bound, bound]."""
    return torch.empty(shape).uniform_(-bound, bound)
