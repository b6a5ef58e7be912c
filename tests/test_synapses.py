import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from ctm import ConfigError, SynapseMLP, SynapseUNet
from ctm.synapses import SynapseConfig


def connected(synapses, x):
    return synapses.prepare()(x)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@given(
    kind=st.sampled_from([SynapseMLP.Config(), SynapseMLP.Config(blocks=2), SynapseUNet.Config(levels=3)]),
    batch=st.integers(1, 3),
    observed=st.integers(1, 9),
    neurons=st.integers(2, 40),
)
def test_from_observation_and_state_to_pre_activations(kind, batch, observed, neurons):
    synapses = kind.build(observed, neurons)
    assert connected(synapses, torch.randn(batch, observed + neurons)).shape == (batch, neurons)


def test_an_mlp_is_linear_glu_norm():
    synapses = SynapseMLP.Config().build(3, 4).double()
    linear = synapses[1]
    x = torch.randn(2, 7, dtype=torch.float64)
    left, right = (x @ linear.weight.T + linear.bias).chunk(2, dim=-1)
    gated = left * right.sigmoid()
    deviation = gated.var(-1, correction=0, keepdim=True).add(1e-5).sqrt()
    torch.testing.assert_close(connected(synapses, x), (gated - gated.mean(-1, keepdim=True)) / deviation)


def test_two_blocks_follow_each_other():
    synapses = SynapseMLP.Config(blocks=2).build(3, 4)
    x = torch.randn(2, 7)
    halfway = F.layer_norm(F.glu(synapses[1](x)), (4,))
    torch.testing.assert_close(connected(synapses, x), F.layer_norm(F.glu(synapses[4](halfway)), (4,)))
    assert [(layer.in_features, layer.out_features) for layer in synapses if isinstance(layer, nn.Linear)] == [
        (7, 8),
        (4, 8),
    ]


@pytest.mark.parametrize(
    ("neurons", "levels", "widths"),
    [
        (2048, 8, [2048, 1757, 1467, 1177, 886, 596, 306, 16]),
        (4096, 8, [4096, 3513, 2930, 2347, 1764, 1181, 598, 16]),
        (1024, 8, [1024, 880, 736, 592, 448, 304, 160, 16]),
        (256, 5, [256, 196, 136, 76, 16]),
        (100, 2, [100, 16]),
    ],
)
def test_published_widths(neurons, levels, widths):
    assert SynapseUNet.Config(levels=levels).widths(neurons) == widths


def test_a_unet_goes_down_and_up_with_skips():
    synapses = SynapseUNet.Config(levels=3, bottleneck=4).build(5, 12)
    x = torch.randn(2, 17)

    def layer(block, value):
        _, linear, norm, _ = block
        return F.silu(F.layer_norm(value @ linear.weight.T + linear.bias, norm.normalized_shape))

    top = layer(synapses.first, x)  # 12
    middle = layer(synapses.down[0], top)  # 8
    bottom = layer(synapses.down[1], middle)  # 4
    assert [part.shape[1] for part in (top, middle, bottom)] == [12, 8, 4]
    middle = F.layer_norm(layer(synapses.up[1], bottom) + middle, (8,))
    expected = F.layer_norm(layer(synapses.up[0], middle) + top, (12,))
    torch.testing.assert_close(connected(synapses, x), expected)


def test_parameters_of_a_unet():
    """A projection, then for every step a way down, a way up and a normalisation."""
    widths = [256, 196, 136, 76, 16]
    blocks = [(320, 256)] + [pair for a, b in zip(widths, widths[1:], strict=False) for pair in ((a, b), (b, a))]
    expected = sum(i * o + o + 2 * o for i, o in blocks) + sum(2 * width for width in widths[:-1])
    assert parameters(SynapseUNet.Config(levels=5).build(64, 256)) == expected


@pytest.mark.parametrize("config", [SynapseMLP.Config(dropout=0.5), SynapseUNet.Config(levels=3, dropout=0.5)], ids=str)
def test_dropout_only_in_training(config):
    synapses, x = config.build(5, 20), torch.randn(2, 25)
    assert not torch.equal(connected(synapses, x), connected(synapses, x))
    synapses.eval()
    assert torch.equal(connected(synapses, x), connected(synapses, x))


def test_dropout_falls_where_it_should():
    """The first projection of a U-Net is spared; the MLP drops once, at the very input."""
    unet = SynapseUNet.Config(levels=3, dropout=0.4).build(5, 20)
    assert unet.first[0].p == 0
    assert [block[0].p for block in (*unet.down, *unet.up)] == [0.4] * 4
    mlp = SynapseMLP.Config(blocks=3, dropout=0.4).build(5, 20)
    assert [layer.p for layer in mlp if isinstance(layer, nn.Dropout)] == [0.4]
    assert isinstance(mlp[0], nn.Dropout)


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (SynapseMLP.Config, {"blocks": 0}, "blocks = 0: expected at least 1"),
        (SynapseMLP.Config, {"dropout": 1.0}, "dropout = 1.0: expected 0 <= dropout < 1"),
        (SynapseMLP.Config, {"dropout": -0.1}, "dropout = -0.1: expected 0 <= dropout < 1"),
        (SynapseUNet.Config, {"levels": 1}, "levels = 1: expected at least 2"),
        (SynapseUNet.Config, {"bottleneck": 0}, "bottleneck = 0: expected at least 1"),
        (SynapseUNet.Config, {"dropout": 1.0}, "dropout = 1.0: expected 0 <= dropout < 1"),
    ],
)
def test_impossible_synapses_are_refused(config, fields, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        config(**fields)


def test_kinds():
    assert SynapseConfig.from_dict({"kind": "mlp", "blocks": 2}) == SynapseMLP.Config(blocks=2)
    assert SynapseConfig.from_dict({"kind": "unet"}) == SynapseUNet.Config()
