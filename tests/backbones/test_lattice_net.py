import pytest
import torch

from ctm import ConfigError, LatticeNet


@pytest.mark.parametrize(("size", "cells"), [((9, 9), (4, 4)), ((3, 3), (1, 1)), ((7, 13), (3, 6))])
def test_there_is_a_feature_for_each_cell(size, cells):
    config = LatticeNet.Config(width=8, blocks=1, input_channels=2)
    features = config.build()(torch.randn(2, 2, *size))
    assert features.shape == (2, config.channels, *cells)
    assert features.dim() == 2 + config.dimensions


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_a_feature_is_of_its_cell_and_the_walls_around_it_and_two_more_cells_for_each_block(blocks):
    """The pixels that have a gradient are those of the cells that are seen, with their walls, and no others."""
    torch.manual_seed(0)
    model = LatticeNet.Config(width=8, blocks=blocks, input_channels=1).build().eval()
    pictures = torch.randn(1, 1, 21, 21, requires_grad=True)  # 10 x 10 cells
    (grad,) = torch.autograd.grad(model(pictures)[0, :, 4, 5].sum(), pictures)
    expected = torch.zeros(21, 21, dtype=torch.bool)
    far = 2 * blocks
    expected[2 * max(4 - far, 0) : 2 * (4 + far) + 3, 2 * max(5 - far, 0) : 2 * (5 + far) + 3] = True
    assert torch.equal(grad[0, 0] != 0, expected)


def test_it_adapts_to_the_channels_of_pictures_with_a_cell():
    assert LatticeNet.Config().adapted((5, 9, 9)) == LatticeNet.Config(input_channels=5)
    for shape in ((3, 2, 9), (9, 9), (9,)):
        assert LatticeNet.Config().adapted(shape) is None


def test_pictures_without_a_cell_are_refused():
    with pytest.raises(ValueError, match=r"^pictures of shape \(1, 3, 2, 9\): expected at least 3 x 3, a cell"):
        LatticeNet.Config(width=4).build()(torch.zeros(1, 3, 2, 9))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width = 0: expected at least 1"),
        ({"blocks": -1}, "blocks = -1: expected 0 or more"),
        ({"input_channels": 0}, "input_channels = 0: expected at least 1"),
    ],
)
def test_wrong_configurations_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        LatticeNet.Config(**arguments)
