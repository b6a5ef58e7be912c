"""Neuron-level models: every neuron applies its own little network to its own history (section 3.3, Listing 2)."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config
from ctm.kernels.neuron_pass import Layer, NeuronPass

Remember = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From a history (B, D, M) and the newest pre-activations (B, D) to post-activations (B, D) and the next history."""


class NeuronModelConfig(Config):
    """Base of the neuron-level models."""

    default_kind: ClassVar[str | None] = "gated"

    @abstractmethod
    def build(self, neurons: int, memory: int) -> Any:
        """Makes the models of all neurons.

        Args:
            neurons: D.
            memory: M, the length of a history.

        Returns:
            a module whose `prepare(ticks)` gives what maps, once per tick, the history (B, D, M) and the newest
            pre-activations (B, D) to post-activations (B, D) and the history with the newest column at its end and
            without its first. `ticks` is as for `ContinuousThoughtMachine.prepare`. `HistoryModel` has all of that.
        """


class HistoryModel(nn.Module):
    """Base of neuron-level models of one's own: its `forward` maps histories to post-activations, and that is all.

    >>> class Mean(ctm.HistoryModel):
    ...     @dataclass(frozen=True)
    ...     class Config(ctm.NeuronModelConfig, kind="mean"):
    ...         def build(self, neurons, memory):
    ...             return Mean()
    ...
    ...     def forward(self, history):  # (B, D, M), the newest last
    ...         return history.mean(-1)  # (B, D)
    """

    def forward(self, history: Float[Tensor, "B D M"]) -> Float[Tensor, "B D"]:
        """What the neurons make of what they remember."""
        raise NotImplementedError

    def prepare(self, ticks: int = 0) -> Remember:
        """The models for use at every tick of a pass, as a pure function."""

        def remember(history: Tensor, newest: Tensor) -> tuple[Tensor, Tensor]:
            history = torch.cat([history[..., 1:], newest.unsqueeze(-1)], dim=-1)  # (B, D, M)
            return self(history), history

        return remember


class NeuronModels(nn.Module):
    """D private perceptrons, each from its neuron's last M pre-activations to one post-activation.

    Two gated layers, M -> H -> 1 (`hidden` = H), or one, M -> 1 (`hidden` = None). The published parameter counts
    need the gates, the learned biases and the one temperature per layer that Listing 2 leaves out.
    """

    @dataclass(frozen=True)
    class Config(NeuronModelConfig, kind="gated"):
        """Shape of every neuron's private model."""

        hidden: int | None = 16
        """H (`d_hidden`), hidden width; nothing for a model of a single layer."""
        layer_norm: bool = False
        """Normalise the input of each layer (over time, with one scale shared by all neurons)."""
        dropout: float = 0.0
        """Probability that an input of a layer is dropped in training."""

        def validate(self) -> None:
            self.require(self.hidden is None or self.hidden >= 1, "hidden", "at least 1, or nothing")
            self.require(0 <= self.dropout < 1, "dropout", "0 <= dropout < 1")

        def build(self, neurons: int, memory: int) -> "NeuronModels":
            return NeuronModels(self, neurons, memory)

    def __init__(self, config: "NeuronModels.Config", neurons: int, memory: int) -> None:
        super().__init__()
        widths = [memory, 1] if config.hidden is None else [memory, config.hidden, 1]
        self.layers = nn.ModuleList(
            GatedNeuronLayer(neurons, width, outputs, config.layer_norm, config.dropout)
            for width, outputs in zip(widths[:-1], widths[1:], strict=True)
        )

    def prepare(self, ticks: int = 0) -> NeuronPass:
        """The models for use at every tick of a pass; `ticks` as for `ContinuousThoughtMachine.prepare`."""
        return NeuronPass([layer.prepare() for layer in self.layers], ticks)  # ty: ignore[not-callable]


class GatedNeuronLayer(nn.Module):
    """One layer of all private models: affine per neuron, divided by a learned temperature, gated.

    Attributes:
        weight: (D, 2 out, in), uniform within 1 / sqrt(in + 2 out).
        bias: (D, 2 out), zeros.
        temperature: (), one for all neurons.
    """

    def __init__(self, neurons: int, inputs: int, outputs: int, layer_norm: bool, dropout: float) -> None:
        super().__init__()
        bound = (inputs + 2 * outputs) ** -0.5
        self.weight = nn.Parameter(torch.empty(neurons, 2 * outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(neurons, 2 * outputs))
        self.temperature = nn.Parameter(torch.ones(()))
        self.norm = nn.LayerNorm(inputs) if layer_norm else None
        self.dropout = dropout

    def prepare(self) -> Layer:
        """The layer for use at every tick of a pass; dividing the weights by the temperature is dividing the result."""
        dropped = self.dropout if self.training else 0.0
        weight, bias = self.weight / self.temperature, (self.bias / self.temperature).unsqueeze(-1)
        return Layer(weight, bias, self.norm, dropped)
