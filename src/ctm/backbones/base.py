"""What every backbone's configuration says, and the backbone that does nothing."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config


class BackboneConfig(Config):
    """Base of the backbones."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Dimensions of the grid of features: 2 for a map, 1 for a sequence, 0 for a single vector."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """C, the channels of the features."""

    @abstractmethod
    def build(self) -> nn.Module:
        """Makes the backbone."""


class Identity(nn.Module):
    """The data are features already: a backbone of one's own runs before the machine."""

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="identity"):
        """Features (B, C, *grid), passed through."""

        channels: int = 64
        """C, the channels of the features."""
        dimensions: int = 2
        """Dimensions of their grid."""

        def validate(self) -> None:
            self.require(self.channels >= 1, "channels", "at least 1")
            self.require(self.dimensions in (0, 1, 2), "dimensions", "0, 1 or 2")

        def build(self) -> "Identity":
            return Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x


def channels_last(pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """The same pictures, laid out in memory pixel by pixel: convolutions and pools are faster that way."""
    return pictures.to(memory_format=torch.channels_last)
