"""What every backbone's configuration says, and the backbone that does nothing."""

from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config
from ctm.kernels.tracing import transformed


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

    def adapted(self, shape: tuple[int, ...]) -> "BackboneConfig | None":
        """This backbone for inputs (B, *shape), or nothing if it takes none of that many dimensions.

        By default it stays as it is.

        Args:
            shape: (C, H, W) of a map, (C, time) of a series, (features,) of a vector.
        """
        return self

    def check_weights(self) -> None:
        """Looks for the published weights from which a new machine starts, before there is one; by default for none.

        Raises:
            DataError: if they are missing, broken or those of something else.
        """

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

        def adapted(self, shape: tuple[int, ...]) -> "Identity.Config":
            return self.replace(channels=shape[0], dimensions=len(shape) - 1)

        def build(self) -> "Identity":
            return Identity()

    def forward(self, x: Tensor) -> Tensor:
        return x


def as_pictures(pictures: Tensor, channels: int) -> Float[Tensor, "B C H W"]:
    """The same pictures, laid out in memory pixel by pixel: convolutions and pools are faster that way.

    Raises:
        ValueError: if they are not floating-point numbers (B, C, H, W) with C = `channels`.
    """
    require_inputs(pictures, "pictures", (channels, "H", "W"))
    if transformed():  # there is one more dimension, of which this knows nothing
        return pictures
    return pictures.to(memory_format=torch.channels_last)


def as_series(series: Tensor, channels: int) -> Float[Tensor, "B C L"]:
    """The same series.

    Raises:
        ValueError: if they are not floating-point numbers (B, C, L) with C = `channels`.
    """
    require_inputs(series, "series", (channels, "L"))
    return series


def require_inputs(inputs: Tensor, what: str, shape: tuple[int | str, ...]) -> None:
    """Raises `ValueError` unless inputs are floating-point numbers (B, *shape); sizes that are names may be any."""
    sizes = inputs.shape[1:]
    if len(sizes) != len(shape) or any(a != b for a, b in zip(sizes, shape, strict=True) if isinstance(b, int)):
        expected = ", ".join(map(str, shape))
        raise ValueError(f"{what} of shape {tuple(inputs.shape)}: expected (B, {expected})")
    if not inputs.is_floating_point():
        raise ValueError(f"{what} of {inputs.dtype}: expected floating-point numbers, scaled as in training")
