"""Neuron-level models: every neuron applies its own little network to its own history (section 3.3, Listing 2)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ctm.config import Config
from ctm.sharing import SharedProduct


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

    def prepare(self) -> Callable[[Float[Tensor, "B D M"]], Float[Tensor, "B D"]]:
        """The models for use at every tick of a pass, from histories to post-activations."""
        prepared: list[Any] = [layer.prepare() for layer in self.layers]  # ty: ignore[not-callable]

        def models(history: Float[Tensor, "B D M"]) -> Float[Tensor, "B D"]:
            x = history.permute(1, 2, 0)  # (D, M, B): neurons are the batch of the matrix products
            for layer in prepared:
                x = layer(x)
            return x.squeeze(1).t()  # (D, 1, B) -> (B, D)

        return models


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

    def prepare(self) -> Callable[[Float[Tensor, "D _in B"]], Float[Tensor, "D _out B"]]:
        """The layer for use at every tick of a pass; dividing the weights by the temperature is dividing the result."""
        affine = SharedProduct(self.weight / self.temperature, (self.bias / self.temperature).unsqueeze(-1), left=True)

        def layer(x: Float[Tensor, "D _in B"]) -> Float[Tensor, "D _out B"]:
            if self.training and self.dropout:
                x = dropout(x, self.dropout)
            if self.norm is not None:
                x = self.norm(x.transpose(1, 2)).transpose(1, 2)
            return F.glu(affine(x), dim=1)  # (D, 2 out, B) -> (D, out, B)

        return layer


def dropout(x: Float[Tensor, "D _in B"], probability: float) -> Float[Tensor, "D _in B"]:
    """Drops entries; which ones depends on the random state and the shape alone, not on the strides of x."""
    kept = torch.empty(x.shape, device=x.device, dtype=x.dtype).bernoulli_(1 - probability)
    return x * kept.div_(1 - probability)
