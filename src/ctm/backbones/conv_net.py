"""Small convolutions for small pictures (the authors' backbone for MNIST, appendix G.5.2), and for series."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig, as_pictures, as_series

_LAYERS = {1: (nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d), 2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d)}


class ConvNet(nn.Module):
    """Convolutions of size 3, each with batch normalisation, ReLU and possibly a max-pool of size 2."""

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="conv_net"):
        """A few convolutions of size 3, or 3x3."""

        widths: tuple[int, ...] = (32, 32)
        """Channels of each convolution."""
        pools: tuple[bool, ...] = (True, True)
        """Whether each is followed by a max-pool that halves the grid."""
        input_channels: int = 1
        """Channels of the pictures, or of the series."""
        dimensions: int = 2
        """2 for pictures (B, C, H, W), 1 for series (B, C, L)."""

        def validate(self) -> None:
            self.require(len(self.widths) >= 1 and min(self.widths) >= 1, "widths", "one or more, each at least 1")
            self.require(len(self.pools) == len(self.widths), "pools", f"one for each of {len(self.widths)} widths")
            self.require(self.input_channels >= 1, "input_channels", "at least 1")
            self.require(self.dimensions in (1, 2), "dimensions", "1 for series, 2 for pictures")

        @property
        def channels(self) -> int:
            return self.widths[-1]

        def adapted(self, shape: tuple[int, ...]) -> "ConvNet.Config | None":
            """Leaves out the pools for which the grid is too small."""
            if len(shape) not in (2, 3):
                return None
            pools, size = [], min(shape[1:])
            for pool in self.pools:
                pools.append(pool and size >= 2)
                size //= 2 if pools[-1] else 1
            return self.replace(pools=tuple(pools), input_channels=shape[0], dimensions=len(shape) - 1)

        def build(self) -> "ConvNet":
            return ConvNet(self)

    def __init__(self, config: "ConvNet.Config") -> None:
        super().__init__()
        self.input_channels, self.dimensions = config.input_channels, config.dimensions
        convolution, norm, halve = _LAYERS[config.dimensions]
        layers: list[nn.Module] = []
        channels = config.input_channels
        for width, pool in zip(config.widths, config.pools, strict=True):
            layers += [convolution(channels, width, 3, padding=1), norm(width), nn.ReLU()]
            layers += [halve(2)] if pool else []
            channels = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "B _in *_size"]) -> Float[Tensor, "B C *grid"]:
        check = as_pictures if self.dimensions == 2 else as_series
        return self.layers(check(x, self.input_channels))
