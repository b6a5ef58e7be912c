"""A ResNet with one feature for each cell of a lattice, such as a maze's."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig, as_pictures
from ctm.backbones.resnet import BasicBlock


class LatticeNet(nn.Module):
    """Residual blocks over the cells of a lattice, whose pictures have a pixel for each cell and for each wall.

    Cell (i, j) is pixel (2 i + 1, 2 j + 1). A 3x3 convolution with stride 2 and no padding sees exactly a cell and the
    walls around it, so that nothing is lost, and all that follows computes on a quarter of the pixels.
    """

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="lattice_net"):
        """A convolution for each cell of a lattice, then residual blocks."""

        width: int = 64
        """C, channels of every layer."""
        blocks: int = 3
        """Residual blocks of two 3x3 convolutions; each sees two cells further."""
        input_channels: int = 3
        """Channels of the pictures."""

        def validate(self) -> None:
            self.require(self.width >= 1, "width", "at least 1")
            self.require(self.blocks >= 0, "blocks", "0 or more")
            self.require(self.input_channels >= 1, "input_channels", "at least 1")

        @property
        def dimensions(self) -> int:
            return 2

        @property
        def channels(self) -> int:
            return self.width

        def adapted(self, shape: tuple[int, ...]) -> "LatticeNet.Config | None":
            return self.replace(input_channels=shape[0]) if len(shape) == 3 and min(shape[1:]) >= 3 else None

        def build(self) -> "LatticeNet":
            return LatticeNet(self)

    def __init__(self, config: "LatticeNet.Config") -> None:
        super().__init__()
        self.input_channels, width = config.input_channels, config.width
        self.cells = nn.Sequential(
            nn.Conv2d(config.input_channels, width, 3, stride=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(BasicBlock(width, width, stride=1) for _ in range(config.blocks)))

    def forward(self, x: Float[Tensor, "B _in _H _W"]) -> Float[Tensor, "B C H W"]:
        """Features (B, C, (S - 1) / 2, (S - 1) / 2) of pictures (B, in, S, S).

        Raises:
            ValueError: for pictures without a cell, or of another number of channels.
        """
        pictures = as_pictures(x, self.input_channels)
        if min(pictures.shape[2:]) < 3:
            raise ValueError(f"pictures of shape {tuple(x.shape)}: expected at least 3 x 3, a cell and its walls")
        return self.blocks(self.cells(pictures))
