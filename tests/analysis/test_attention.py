import pytest
import torch

from ctm.analysis.attention import as_maps, centre, contrast, smooth


def test_centre_is_where_a_single_token_is():
    maps = torch.zeros(2, 4, 8)
    maps[0, 1, 6] = 1
    maps[1, 3, 0] = 1
    where = centre(maps)
    torch.testing.assert_close(where[0], torch.tensor([6.5 / 8, 1.5 / 4]), atol=0.01, rtol=0)
    assert where[1, 0] < 1 / 8
    assert where[1, 1] > 3 / 4


def test_centre_of_a_constant_map_is_the_middle():
    torch.testing.assert_close(centre(torch.full((3, 5, 5), 0.04)), torch.full((3, 2), 0.5))
    torch.testing.assert_close(centre(torch.zeros(5, 5)), torch.full((2,), 0.5))


def test_centre_ignores_what_is_weak():
    maps = torch.full((16, 16), 0.1)
    maps[2:4, 2:4] = 1.0
    torch.testing.assert_close(centre(maps), torch.full((2,), 3 / 16), atol=0.02, rtol=0)


def test_contrast_spans_0_to_1_and_leaves_constant_maps_dim():
    maps = torch.stack([torch.arange(12.0).view(3, 4), torch.full((3, 4), 2.0), torch.zeros(3, 4)])
    scaled = contrast(maps)
    assert scaled[0].min() == 0
    assert scaled[0].max() == 1
    assert not scaled[1:].any()


def test_smooth_keeps_the_mean_of_a_map():
    maps = torch.rand(2, 3, 4, 4)
    larger = smooth(maps, (32, 32))
    assert larger.shape == (2, 3, 32, 32)
    torch.testing.assert_close(smooth(torch.ones(4, 4), (32, 32)), torch.ones(32, 32))
    assert larger.min() >= maps.min()
    assert larger.max() <= maps.max()


def test_maps_have_the_shape_of_the_grid():
    attention = torch.rand(4, 2, 6)
    torch.testing.assert_close(as_maps(attention, (2, 3))[..., 1, 0], attention[..., 3])
    assert as_maps(attention, (6,)).shape == (4, 2, 1, 6)
    for grid in ((2, 2), (), (1, 2, 3)):
        with pytest.raises(ValueError, match="6 tokens"):
            as_maps(attention, grid)
