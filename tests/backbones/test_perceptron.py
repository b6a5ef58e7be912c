import pytest
import torch

from ctm import BackboneConfig, ConfigError, GatedPerceptron
from machines import perturbed


def test_blocks_are_linear_glu_norm():
    backbone = perturbed(GatedPerceptron.Config(features=3, width=4).build()).double()
    x = features = torch.randn(2, 3, dtype=torch.float64)
    for place in (0, 3):
        linear, _, norm = backbone.layers[place : place + 3]
        left, right = (features @ linear.weight.T + linear.bias).chunk(2, dim=-1)
        gated = left * right.sigmoid()
        deviation = gated.var(-1, correction=0, keepdim=True).add(1e-5).sqrt()
        features = (gated - gated.mean(-1, keepdim=True)) / deviation * norm.weight + norm.bias
    torch.testing.assert_close(backbone(x), features)


@pytest.mark.parametrize("blocks", [1, 3])
def test_sizes(blocks):
    config = GatedPerceptron.Config(features=5, width=4, blocks=blocks)
    backbone = config.build()
    assert backbone(torch.randn(2, 5)).shape == (2, config.channels)
    assert config.dimensions == 0
    assert len(backbone.layers) == 3 * blocks
    assert config.adapted((9,)) == config.replace(features=9)
    assert config.adapted((9, 2)) is None
    assert BackboneConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 4), r"vectors of shape \(2, 4\): expected \(B, 3\)"),
        (torch.zeros(2, 3, 1), r"vectors of shape \(2, 3, 1\): expected \(B, 3\)"),
    ],
)
def test_other_inputs_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        GatedPerceptron.Config(features=3).build()(x)


@pytest.mark.parametrize("field", ["features", "width", "blocks"])
def test_wrong_configurations_are_refused(field):
    with pytest.raises(ConfigError, match=f"{field} = 0: expected at least 1"):
        GatedPerceptron.Config(**{field: 0})
