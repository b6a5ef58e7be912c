"""Small convolutions for small pictures (the authors' backbone for MNIST, appendix G.5.2)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig, channels_last


class ConvNet(nn.Module):
    """3x3 convolutions, each with batch normalisation, ReLU and possibly a 2x2 max-pool."""

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="conv_net"):
        """A few 3x3 convolutions."""

        widths: tuple[int, ...] = (32, 32)
        """Channels of each convolution."""
        pools: tuple[bool, ...] = (True, True)
        """Whether each is followed by a 2x2 max-pool."""
        input_channels: int = 1
        """Channels of the pictures."""

        def validate(self) -> None:
            self.require(len(self.widths) >= 1 and min(self.widths) >= 1, "widths", "one or more, each at least 1")
            self.require(len(self.pools) == len(self.widths), "pools", f"one for each of {len(self.widths)} widths")
            self.require(self.input_channels >= 1, "input_channels", "at least 1")

        @property
        def dimensions(self) -> int:
            return 2

        @property
        def channels(self) -> int:
            return self.widths[-1]

        def build(self) -> "ConvNet":
            return ConvNet(self)

    def __init__(self, config: "ConvNet.Config") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = config.input_channels
        for width, pool in zip(config.widths, config.pools, strict=True):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if pool else []
            channels = width
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "B _in _H _W"]) -> Float[Tensor, "B C H W"]:
        return self.layers(channels_last(x))
