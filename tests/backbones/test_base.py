import pytest
import torch

from ctm import BackboneConfig, ConfigError, Identity


def test_given_features_pass_through():
    features = torch.randn(2, 64, 3, 3)
    assert Identity.Config(channels=64).build()(features) is features


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


@pytest.mark.parametrize("kind", ["given", "resnet", "conv_net", "token_embedding"])
def test_every_backbone_survives_a_dictionary(kind):
    data = {"kind": kind} | ({"width": 8} if kind == "token_embedding" else {})
    config = BackboneConfig.from_dict(data)
    assert BackboneConfig.from_dict(config.to_dict()) == config
    assert config.to_dict()["kind"] == kind
