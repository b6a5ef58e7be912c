import pytest
import torch

from ctm import ConfigError, ConvNet


@pytest.mark.parametrize(
    ("widths", "pools", "grid"),
    [
        ((32, 32), (True, True), (8, 8)),
        ((8, 16, 24), (True, False, False), (16, 16)),
        ((5,), (False,), (32, 32)),
    ],
)
def test_channels_and_grid_are_those_of_the_features(widths, pools, grid):
    config = ConvNet.Config(widths=widths, pools=pools)
    features = config.build()(torch.randn(2, 1, 32, 32))
    assert features.shape == (2, config.channels, *grid)
    assert features.dim() == 2 + config.dimensions


def test_takes_any_number_of_input_channels():
    assert ConvNet.Config(input_channels=4).build()(torch.randn(1, 4, 8, 8)).shape == (1, 32, 2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (), "pools": ()}, "widths"),
        ({"widths": (8, 0)}, "widths"),
        ({"widths": (8,)}, "pools = .*: expected one for each of 1 widths"),
        ({"input_channels": 0}, "input_channels = 0: expected at least 1"),
    ],
)
def test_wrong_configurations_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ConvNet.Config(**arguments)
