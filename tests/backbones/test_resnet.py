import pytest
import torch
from torch import nn

from ctm import ConfigError, ResNet

STAGES = [(depth, stages) for depth in (18, 34, 50, 101, 152) for stages in (1, 2, 3, 4)]


def on_meta(config):
    """The module without its numbers: shapes cost nothing."""
    with torch.device("meta"):
        return config.build()


@pytest.mark.parametrize(("depth", "stages"), STAGES)
def test_channels_are_those_of_the_features(depth, stages):
    config = ResNet.Config(depth=depth, stages=stages)
    features = on_meta(config)(torch.empty(1, 3, 32, 32, device="meta"))
    assert features.shape[1] == config.channels
    assert features.dim() == 2 + config.dimensions


@pytest.mark.parametrize(
    ("depth", "stages", "picture", "grid"),
    [
        (18, 1, (15, 15), (8, 8)),
        (18, 1, (32, 32), (16, 16)),
        (34, 2, (39, 39), (10, 10)),
        (152, 4, (224, 224), (14, 14)),
        (18, 2, (16, 32), (4, 8)),
    ],
    ids=["small mazes", "CIFAR", "large mazes", "ImageNet", "not square"],
)
def test_size_of_the_map(depth, stages, picture, grid):
    features = on_meta(ResNet.Config(depth, stages))(torch.empty(1, 3, *picture, device="meta"))
    assert features.shape[2:] == grid


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_takes_any_number_of_input_channels(channels):
    backbone = ResNet.Config(18, 1, input_channels=channels).build()
    assert backbone(torch.randn(2, channels, 8, 8)).shape == (2, 64, 4, 4)


@pytest.mark.parametrize(
    ("depth", "convolutions"),
    [(18, (5, 10)), (34, (7, 16)), (50, (11, 24)), (101, (11, 24)), (152, (11, 24))],
)
def test_number_of_convolutions_after_one_and_two_stages(depth, convolutions):
    """Stem and blocks, and a shortcut wherever the shape changes."""
    for stages, expected in enumerate(convolutions, start=1):
        backbone = on_meta(ResNet.Config(depth, stages))
        found = [module for module in backbone.modules() if isinstance(module, nn.Conv2d)]
        assert len(found) - 1 == expected  # without the one that makes three colours


def test_a_block_adds_its_input():
    backbone = ResNet.Config(18, 1).build().eval()
    block = backbone.stages[0][0]
    x = torch.randn(2, 64, 4, 4)
    convolution, norm, again, norm_again = block.body[0], block.body[1], block.body[3], block.body[4]
    expected = torch.relu(norm_again(again(torch.relu(norm(convolution(x))))) + x)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 20}, "depth = 20: expected one of 18, 34, 50, 101, 152"),
        ({"stages": 0}, "stages = 0: expected 1 to 4"),
        ({"stages": 5}, "stages = 5: expected 1 to 4"),
        ({"input_channels": 0}, "input_channels = 0: expected at least 1"),
    ],
)
def test_wrong_configurations_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ResNet.Config(**arguments)
