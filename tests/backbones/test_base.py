import pytest
import torch

from ctm import BackboneConfig, ConfigError, Identity, PerFrame, ResNet, TokenEmbedding


def test_given_features_pass_through():
    features = torch.randn(2, 64, 3, 3)
    assert Identity.Config(channels=64).build()(features) is features


@pytest.mark.parametrize(
    ("config", "shape", "adapted"),
    [
        (Identity.Config(), (4,), Identity.Config(channels=4, dimensions=0)),
        (ResNet.Config(), (5, 8, 8), ResNet.Config(input_channels=5)),
        (ResNet.Config(), (5, 8), None),
        (TokenEmbedding.Config(8), (5,), None),
        (PerFrame.Config(ResNet.Config()), (5, 8, 8), None),
    ],
)
def test_backbones_adapt_to_the_shape_of_inputs(config, shape, adapted):
    assert config.adapted(shape) == adapted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, "channels = 0: expected at least 1"),
        ({"dimensions": 3}, "dimensions = 3: expected 0, 1 or 2"),
    ],
)
def test_wrong_configurations_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Identity.Config(**arguments)


@pytest.mark.parametrize("kind", ["identity", "resnet", "conv_net", "token_embedding"])
def test_every_backbone_survives_a_dictionary(kind):
    data = {"kind": kind} | ({"width": 8} if kind == "token_embedding" else {})
    config = BackboneConfig.from_dict(data)
    assert BackboneConfig.from_dict(config.to_dict()) == config
    assert config.to_dict()["kind"] == kind
