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


def test_series_are_convolved_in_time():
    config = ConvNet.Config((4, 6), (True, False), input_channels=3, dimensions=1)
    assert config.build()(torch.randn(2, 3, 10)).shape == (2, 6, 5)
    with pytest.raises(ValueError, match=r"^series of shape \(2, 10, 3\): expected \(B, 3, L\)$"):
        config.build()(torch.randn(2, 10, 3))


def test_adapts_to_maps_and_series_and_leaves_out_pools_for_which_they_are_too_small():
    config = ConvNet.Config((8, 8, 8), (True, True, True))
    for shape, pools in (((3, 9, 8), (True, True, True)), ((2, 5), (True, True, False)), ((1, 1, 9), (False,) * 3)):
        found = config.adapted(shape)
        assert (found.input_channels, found.dimensions, found.pools) == (shape[0], len(shape) - 1, pools)
        assert found.build().eval()(torch.randn(1, *shape)).numel()
    assert config.adapted((7,)) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (), "pools": ()}, "widths"),
        ({"widths": (8, 0)}, "widths"),
        ({"widths": (8,)}, "pools = .*: expected one for each of 1 widths"),
        ({"input_channels": 0}, "input_channels = 0: expected at least 1"),
        ({"dimensions": 3}, "dimensions = 3: expected 1 for series, 2 for pictures"),
    ],
)
def test_wrong_configurations_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        ConvNet.Config(**arguments)
