import pytest
import torch

from ctm import ConfigError, TokenEmbedding


def test_looks_every_symbol_up():
    config = TokenEmbedding.Config(width=3, symbols=(5, -1, 7))
    backbone = config.build()
    features = backbone(torch.tensor([[7, 5, -1, 5]]))
    table = backbone.table.weight
    torch.testing.assert_close(features[0].t(), torch.stack([table[2], table[0], table[1], table[0]]))
    assert features.shape == (1, config.channels, 4)
    assert features.dim() == 2 + config.dimensions


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.int8])
def test_parity_inputs_may_be_of_any_type(dtype):
    backbone = TokenEmbedding.Config(width=3).build()
    features = backbone(torch.tensor([[1, -1]], dtype=dtype))
    torch.testing.assert_close(features[0], backbone.table.weight[[1, 0]].t())


@pytest.mark.parametrize(("value", "named"), [(7, "7"), (0.5, "0.5"), (float("nan"), "nan")])
def test_what_is_no_symbol_is_refused(value, named):
    backbone = TokenEmbedding.Config(width=3).build()
    with pytest.raises(ValueError, match=f"^symbol {named}: expected one of -1, 1$"):
        backbone(torch.tensor([[1, value]]))


def test_what_is_no_symbol_answers_nothing_where_looking_costs_time(monkeypatch):
    monkeypatch.setattr("ctm.inputs.on_host", lambda tensor: False)
    backbone = TokenEmbedding.Config(width=3).build()
    features = backbone(torch.tensor([[1, 7]]))
    torch.testing.assert_close(features[0, :, 0], backbone.table.weight[1])
    assert features[0, :, 1].isnan().all()


def test_symbols_are_not_among_the_weights():
    assert list(TokenEmbedding.Config(width=3).build().state_dict()) == ["table.weight"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width = 0: expected at least 1"),
        ({"width": 3, "symbols": (1, 1)}, "symbols = .*: expected different values"),
        ({"width": 3, "symbols": ()}, "symbols = .*: expected different values"),
    ],
)
def test_wrong_configurations_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        TokenEmbedding.Config(**arguments)
