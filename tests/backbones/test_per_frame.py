import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm import BackboneConfig, ConvNet, Identity, PerFrame


@given(batch=st.integers(1, 3), pictures=st.integers(1, 4), height=st.integers(1, 6), width=st.integers(1, 6))
def test_every_picture_has_the_features_it_has_alone(batch, pictures, height, width):
    backbone = PerFrame.Config(ConvNet.Config((5,), (False,))).build().eval()
    x = torch.randn(batch, pictures, 1, height, width)
    features = backbone(x)
    assert features.shape == (batch, 5, pictures, height, width)
    for place in range(pictures):
        torch.testing.assert_close(features[:, :, place], backbone.backbone(x[:, place]))


def test_the_place_is_one_more_dimension():
    config = PerFrame.Config(Identity.Config(channels=7, dimensions=1))
    assert (config.dimensions, config.channels) == (2, 7)
    assert config.build()(torch.zeros(2, 3, 7, 4)).shape == (2, 7, 3, 4)


def test_a_backbone_within_a_backbone_survives_a_dictionary():
    config = PerFrame.Config(ConvNet.Config((4, 8), (True, True)))
    assert BackboneConfig.from_dict(config.to_dict()) == config
