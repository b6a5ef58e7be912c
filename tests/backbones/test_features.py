import pytest
import torch

from ctm import ConfigError, FeatureTokens


def test_each_feature_is_its_value_times_a_vector_plus_another():
    model = FeatureTokens.Config(features=5, width=3).build()
    x = torch.randn(2, 5)
    tokens = model(x)  # (2, 3, 5)
    assert tokens.shape == (2, 3, 5)
    assert torch.allclose(tokens[1, :, 4], x[1, 4] * model.weight[:, 4] + model.bias[:, 4])


def test_adapts_to_vectors_only():
    config = FeatureTokens.Config(width=3)
    assert config.adapted((9,)) == FeatureTokens.Config(features=9, width=3)
    assert config.adapted((9, 2)) is None


def test_other_inputs_are_refused():
    model = FeatureTokens.Config(features=5).build()
    with pytest.raises(ValueError, match=r"^vectors of shape \(2, 4\): expected \(B, 5\)$"):
        model(torch.randn(2, 4))


@pytest.mark.parametrize("field", ["features", "width"])
def test_wrong_configurations_are_refused(field):
    with pytest.raises(ConfigError, match=f"^{field} = 0: expected at least 1$"):
        FeatureTokens.Config(**{field: 0})
