"""Synapse models: the recurrent connections between neurons, (o, z) -> pre-activations (eq. 1, appendix C.1)."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config
from ctm.gated import gated_blocks
from ctm.kernels.deferred import shared

Connect = Callable[[Tensor], Tensor]
"""From (o, z), (B, E + D), to pre-activations (B, D)."""


class SynapseConfig(Config):
    """Base of the synapse models."""

    @abstractmethod
    def build(self, observed: int, neurons: int) -> "SynapseMLP | SynapseUNet":
        """Makes the synapse model.

        Args:
            observed: E, width of the observation o.
            neurons: D.

        Returns:
            a module whose `prepare` gives what maps the concatenation (o, z), (B, E + D), to pre-activations (B, D).
        """


class SynapseMLP(nn.Sequential):
    """Dropout, then blocks of Linear, GLU and LayerNorm; one block is the paper's k = 1, two serve control (G.6)."""

    @dataclass(frozen=True)
    class Config(SynapseConfig, kind="mlp"):
        """A plain perceptron with gated units."""

        blocks: int = 1
        """How many times Linear, GLU, LayerNorm follow each other."""
        dropout: float = 0.0
        """Probability that an input of the first block is dropped in training."""

        def validate(self) -> None:
            self.require(self.blocks >= 1, "blocks", "at least 1")
            self.require(0 <= self.dropout < 1, "dropout", "0 <= dropout < 1")

        def build(self, observed: int, neurons: int) -> "SynapseMLP":
            return SynapseMLP(self, observed, neurons)

    def __init__(self, config: "SynapseMLP.Config", observed: int, neurons: int) -> None:
        super().__init__(nn.Dropout(config.dropout), *gated_blocks(observed + neurons, neurons, config.blocks))

    def prepare(self) -> Connect:
        """The synapses for use at every tick of a pass."""
        return shared(self)


class SynapseUNet(nn.Module):
    """A U-Net over widths from D down to a bottleneck and back up, with skip connections (appendix C.1).

    `levels` widths give levels - 1 blocks down and as many up: the paper's depth k counts both, k = 2 levels
    (except in Table 4, which counts levels).
    """

    @dataclass(frozen=True)
    class Config(SynapseConfig, kind="unet"):
        """A U-shaped perceptron."""

        levels: int = 8
        """Number of widths, evenly spaced from D down to `bottleneck`."""
        bottleneck: int = 16
        """The smallest width."""
        dropout: float = 0.0
        """Probability that an input of a down or up block is dropped in training."""

        def validate(self) -> None:
            self.require(self.levels >= 2, "levels", "at least 2 (for 1 use the kind 'mlp')")
            self.require(self.bottleneck >= 1, "bottleneck", "at least 1")
            self.require(0 <= self.dropout < 1, "dropout", "0 <= dropout < 1")

        def build(self, observed: int, neurons: int) -> "SynapseUNet":
            return SynapseUNet(self, observed, neurons)

        def widths(self, neurons: int) -> list[int]:
            """The widths from top to bottom, rounded down."""
            step = (self.bottleneck - neurons) / (self.levels - 1)
            return [int(neurons + step * level) for level in range(self.levels - 1)] + [self.bottleneck]

    def __init__(self, config: "SynapseUNet.Config", observed: int, neurons: int) -> None:
        super().__init__()
        widths = config.widths(neurons)
        steps = list(zip(widths[:-1], widths[1:], strict=True))
        self.first = block(observed + neurons, neurons, dropout=0.0)
        self.down = nn.ModuleList(block(wide, narrow, config.dropout) for wide, narrow in steps)
        self.up = nn.ModuleList(block(narrow, wide, config.dropout) for wide, narrow in steps)
        self.norms = nn.ModuleList(nn.LayerNorm(wide) for wide, _ in steps)

    def prepare(self) -> Connect:
        """The synapses for use at every tick of a pass."""
        first = shared(self.first)
        levels = list(zip(map(shared, self.down), map(shared, self.up), self.norms, strict=True))

        def connect(x: Float[Tensor, "B _"]) -> Float[Tensor, "B D"]:
            x = first(x)  # (B, D)
            skipped = []
            for down, _, _ in levels:
                skipped.append(x)
                x = down(x)
            for _, up, norm in reversed(levels):
                x = norm(up(x) + skipped.pop())
            return x

        return connect


def block(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    """Dropout, Linear, LayerNorm, SiLU."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, outputs), nn.LayerNorm(outputs), nn.SiLU())
