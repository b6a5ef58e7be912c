"""Networks of timm, of which there is a stand-in here with the documented interface."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from ctm import ConfigError, DataError, PretrainedTimm
from ctm.backbones import without_published_weights


class FeatureInfo:
    def __init__(self, out_indices):
        self.out_indices = out_indices

    def channels(self):
        return [(4, 8, 16)[index] for index in self.out_indices]


class Network(nn.Module):
    """Three feature maps."""

    def __init__(self, pretrained, out_indices):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(*channels, 3, 2, 1) for channels in ((3, 4), (4, 8), (8, 16)))
        self.norm, self.out_indices = nn.BatchNorm2d(3), out_indices
        self.feature_info = FeatureInfo(out_indices)
        if pretrained:
            for parameter in self.parameters():
                nn.init.constant_(parameter, 0.5)

    def forward(self, x):
        maps, x = [], self.norm(x)
        for layer in self.layers:
            maps.append(x := layer(x))
        return [maps[index] for index in self.out_indices]


@pytest.fixture(autouse=True)
def timm(monkeypatch):
    def create_model(model_name, pretrained=False, features_only=False, out_indices=(0, 1, 2)):
        assert features_only
        if model_name != "tiny":
            raise RuntimeError(f"Unknown model ({model_name})")
        return Network(pretrained, out_indices)

    module = ModuleType("timm")
    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", module)


@pytest.mark.parametrize(("feature_map", "channels", "size"), [(None, 16, 2), (0, 4, 8), (1, 8, 4)])
def test_features_are_those_of_a_feature_map(feature_map, channels, size):
    config = PretrainedTimm.Config("tiny", channels, feature_map)
    config.check_weights()
    backbone, pictures = config.build(), torch.randn(2, 3, 16, 16)
    features = backbone(pictures)
    assert features.shape == (2, channels, size, size)
    chosen = (0, 1, 2) if feature_map is None else (feature_map,)
    assert torch.equal(features, Network(True, chosen).eval()(pictures)[-1])
    assert not features.requires_grad
    assert not backbone.train().network.norm.training


def test_not_frozen_it_trains():
    backbone = PretrainedTimm.Config("tiny", 16, frozen=False).build()
    assert all(parameter.requires_grad for parameter in backbone.parameters())
    assert backbone.network.norm.training


def test_a_run_that_goes_on_needs_no_published_weights():
    with without_published_weights():
        backbone = PretrainedTimm.Config("tiny", 16).build()
    assert backbone.network.norm.weight.tolist() == [1.0, 1.0, 1.0]


def test_what_is_not_to_be_had_is_refused(monkeypatch):
    with pytest.raises(ConfigError, match=r"backbone\.channels = 9: expected 16, as the feature map of 'tiny' has"):
        PretrainedTimm.Config("tiny", 9).check_weights()
    with pytest.raises(
        DataError, match=r"backbone\.name = 'huge': not to be had from timm \(RuntimeError: Unknown mod"
    ):
        PretrainedTimm.Config("huge", 16).check_weights()
    monkeypatch.setitem(sys.modules, "timm", None)
    message = r"backbone\.kind = 'timm': needs the package 'timm', which is not installed: pip install 'continuous-thou"
    with pytest.raises(ConfigError, match=message):
        PretrainedTimm.Config("tiny", 16).check_weights()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": 0}, "channels = 0: expected at least 1"),
        ({"channels": 4, "feature_map": -1}, "feature_map = -1: expected 0 or more, or nothing"),
    ],
)
def test_wrong_configurations_are_refused(fields, message):
    with pytest.raises(ConfigError, match=message):
        PretrainedTimm.Config("tiny", **fields)


def test_it_takes_pictures_of_three_channels():
    config = PretrainedTimm.Config("tiny", 16)
    assert config.adapted((3, 20, 20)) is config
    assert config.adapted((20,)) is None
