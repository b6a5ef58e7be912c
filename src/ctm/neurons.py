"""Neuron-level models: every neuron applies its own little network to its own history (section 3.3, Listing 2)."""

from dataclasses import dataclass

import torch
from torch import nn

from ctm.config import Config
from ctm.kernels.neuron_pass import Layer, NeuronPass


class NeuronModels(nn.Module):
    """D private perceptrons, each from its neuron's last M pre-activations to one post-activation.

    Two gated layers, M -> H -> 1 (`hidden` = H), or one, M -> 1 (`hidden` = None). The published parameter counts
    need the gates, the learned biases and the one temperature per layer that Listing 2 leaves out.
    """

    @dataclass(frozen=True)
    class Config(Config):
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
