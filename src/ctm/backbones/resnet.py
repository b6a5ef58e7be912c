"""ResNets cut to the first stages, with a stem for small pictures (appendix D.2, E.1)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig, as_pictures

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 4, 36, 3)}
"""Residual blocks of each stage. The authors' 152 has 4 blocks in its second stage, where He et al. have 8: their
published weights and parameter count (185,989,886 for ImageNet) need that."""

WIDTHS = (64, 128, 256, 512)


class ResNet(nn.Module):
    """A ResNet (He et al. 2016) as the authors use it: 3x3 stem with stride 1, then a max-pool, then 1 to 4 stages.

    A learned 1x1 convolution first turns any number of input channels into three. The features are those of the last
    stage: no pooling over space, no classifier. The first stage keeps the size of the map, each later one halves it.
    """

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="resnet"):
        """The first stages of a ResNet."""

        depth: int = 18
        """Which ResNet: 18, 34, 50, 101 or 152."""
        stages: int = 1
        """How many of its four stages."""
        input_channels: int = 3
        """Channels of the pictures."""

        def validate(self) -> None:
            self.require(self.depth in BLOCKS, "depth", f"one of {', '.join(map(str, BLOCKS))}")
            self.require(1 <= self.stages <= 4, "stages", "1 to 4")
            self.require(self.input_channels >= 1, "input_channels", "at least 1")

        @property
        def dimensions(self) -> int:
            return 2

        @property
        def channels(self) -> int:
            return stage_channels(self.depth, self.stages)

        def adapted(self, shape: tuple[int, ...]) -> "ResNet.Config | None":
            return self.replace(input_channels=shape[0]) if len(shape) == 3 else None

        def build(self) -> "ResNet":
            return ResNet(self)

    def __init__(self, config: "ResNet.Config") -> None:
        super().__init__()
        self.colours = nn.Conv2d(config.input_channels, 3, 1)
        self.stem = nn.Sequential(*convolution(3, 64, 3), nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = residual_stages(config.depth, BLOCKS[config.depth][: config.stages])

    def forward(self, x: Float[Tensor, "B _in _H _W"]) -> Float[Tensor, "B C H W"]:
        return self.stages(self.stem(self.colours(as_pictures(x, self.colours.in_channels))))


class Residual(nn.Module):
    """ReLU(body(x) + x), where x is projected if its shape changes."""

    expansion: int

    def __init__(self, inputs: int, outputs: int, stride: int, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(*convolution(inputs, outputs, 1, stride)) if changes else nn.Identity()
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.shortcut(x))


class BasicBlock(Residual):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        first, second = convolution(inputs, width, 3, stride), convolution(width, width, 3)
        super().__init__(inputs, width, stride, *first, nn.ReLU(), *second)


class Bottleneck(Residual):
    """1x1, 3x3 and 1x1 convolutions; the stride is in the middle one."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        outputs = width * self.expansion
        first, second = convolution(inputs, width, 1), convolution(width, width, 3, stride)
        third = convolution(width, outputs, 1)
        super().__init__(inputs, outputs, stride, *first, nn.ReLU(), *second, nn.ReLU(), *third)


def block_of(depth: int) -> type[BasicBlock] | type[Bottleneck]:
    """The residual blocks of a ResNet."""
    return BasicBlock if depth < 50 else Bottleneck


def stage_channels(depth: int, stages: int) -> int:
    """C, the channels after so many stages of a ResNet."""
    return WIDTHS[stages - 1] * block_of(depth).expansion


def residual_stages(depth: int, counts: Sequence[int]) -> nn.Sequential:
    """The first stages of a ResNet, of so many blocks each, after a stem of 64 channels."""
    block, stages, channels = block_of(depth), nn.Sequential(), 64
    for stage, count in enumerate(counts):
        blocks = nn.Sequential()
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            blocks.append(block(channels, WIDTHS[stage], stride))
            channels = WIDTHS[stage] * block.expansion
        stages.append(blocks)
    return stages


def published_name(name: str) -> str:
    """What published weights, those of torchvision, of timm and of the authors, call a tensor of stem or stages."""
    if match := re.fullmatch(r"stem\.([01])\.(\w+)", name):
        return f"{('conv1', 'bn1')[int(match[1])]}.{match[2]}"
    match = re.fullmatch(r"stages\.(\d+)\.(\d+)\.(body|shortcut)\.(\d)\.(\w+)", name)
    assert match is not None, name
    stage, block, branch, layer, tensor = match.groups()
    layer = int(layer)
    # a body repeats convolution, batch normalisation, ReLU
    place = f"downsample.{layer}" if branch == "shortcut" else f"{('conv', 'bn')[layer % 3]}{layer // 3 + 1}"
    return f"layer{int(stage) + 1}.{block}.{place}.{tensor}"


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """A convolution that keeps the size of the map (up to its stride), and its batch normalisation."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)
