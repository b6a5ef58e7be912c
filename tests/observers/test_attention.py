import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm import ConfigError, CrossAttention, Direct, FourierPositions, NoPositions, RotationalPositions
from ctm.observers.attention import ObserverConfig


def looked(observer, features, query):
    return observer.step(query, observer.prepare(features), torch.zeros(len(features), dtype=torch.int64))


@given(
    batch=st.integers(1, 3),
    heads=st.sampled_from([1, 2, 4]),
    channels=st.integers(1, 5),
    grid=st.lists(st.integers(1, 4), min_size=1, max_size=2),
)
def test_looking_is_multi_head_attention_over_normalised_tokens(batch, heads, channels, grid):
    observer = CrossAttention.Config(embedding=8, heads=heads).build(channels, query=6).double()
    features = torch.randn(batch, channels, *grid, dtype=torch.float64)
    query = torch.randn(batch, 6, dtype=torch.float64)
    seen, attention = looked(observer, features, query)

    tokens = observer.features(features.flatten(2).transpose(1, 2))  # Linear, LayerNorm
    asked = (query @ observer.query.weight.T + observer.query.bias).unsqueeze(1)
    expected, weights = observer.attention(asked, tokens, tokens, average_attn_weights=False)
    torch.testing.assert_close(seen, expected.squeeze(1))
    torch.testing.assert_close(attention, weights.squeeze(2))
    torch.testing.assert_close(attention.sum(-1), torch.ones(batch, heads, dtype=torch.float64))


@given(heads=st.sampled_from([1, 2]), tokens=st.integers(1, 5))
def test_attention_written_out(heads, tokens):
    """Head by head: softmax(q k / sqrt(d)) v, then the output projection."""
    observer = CrossAttention.Config(embedding=4, heads=heads).build(3, query=5)
    features, query = torch.randn(1, 3, tokens), torch.randn(1, 5)
    module, width = observer.attention, 4 // heads
    embedded = observer.embed(features)[0]  # (L, E)
    weight, bias = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
    q, k, v = (
        x @ w.T + b for x, w, b in zip((observer.query(query)[0], embedded, embedded), weight, bias, strict=True)
    )
    parts = []
    for head in range(heads):
        mine = slice(head * width, (head + 1) * width)
        parts.append(torch.softmax(k[:, mine] @ q[mine] / width**0.5, 0) @ v[:, mine])
    expected = module.out_proj(torch.cat(parts))
    torch.testing.assert_close(looked(observer, features, query).seen[0], expected)


def test_tokens_are_cells_row_by_row():
    observer = CrossAttention.Config(8, 2).build(3, query=5)
    features = torch.randn(2, 3, 2, 4)
    tokens = observer.embed(features)
    assert tokens.shape == (2, 8, 8)
    torch.testing.assert_close(tokens[:, 4 * 1 + 2], observer.features(features[:, :, 1, 2]))
    assert observer.prepare(features).grid == (2, 4)


def test_positions_are_added_to_the_features():
    observer = CrossAttention.Config(8, 2, RotationalPositions.Config(1)).build(3, query=5)
    features = torch.randn(2, 3, 6)
    expected = observer.features((features + observer.positions(features)).transpose(1, 2))
    torch.testing.assert_close(observer.embed(features), expected)


def test_without_positions_the_order_does_not_matter():
    observer = CrossAttention.Config(8, 2).build(3, query=5)
    features, query = torch.randn(2, 3, 6), torch.randn(2, 5)
    seen = looked(observer, features, query).seen
    torch.testing.assert_close(looked(observer, features.flip(-1), query).seen, seen)
    placed = CrossAttention.Config(8, 2, RotationalPositions.Config(1)).build(3, query=5)
    difference = looked(placed, features.flip(-1), query).seen - looked(placed, features, query).seen
    assert difference.abs().max() > 1e-3


def test_dropout_only_in_training():
    observer = CrossAttention.Config(8, 2, dropout=0.5).build(3, query=5)
    features, query = torch.randn(2, 3, 6), torch.randn(2, 5)
    assert not torch.equal(looked(observer, features, query).seen, looked(observer, features, query).seen)
    observer.eval()
    first, again = looked(observer, features, query), looked(observer, features, query)
    assert torch.equal(first.seen, again.seen)
    torch.testing.assert_close(first.attention.sum(-1), torch.ones(2, 2))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((8, 0), "heads = 0: expected at least 1"),
        ((8, 3), "embedding = 8: expected a positive multiple of heads = 3"),
        ((0, 1), "embedding = 0: expected a positive multiple of heads = 1"),
        ((8, 2, NoPositions(), 1.0), "dropout = 1.0: expected 0 <= dropout < 1"),
    ],
)
def test_impossible_attention_is_refused(fields, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        CrossAttention.Config(*fields)


def test_positions_must_fit_the_grid():
    CrossAttention.Config(8, 2, RotationalPositions.Config(2)).check(2)
    CrossAttention.Config(8, 2).check(1)
    for positions, dimensions in ((RotationalPositions.Config(2), 1), (FourierPositions.Config(), 1)):
        with pytest.raises(ConfigError, match=f"an embedding for the {dimensions}-dimensional features"):
            CrossAttention.Config(8, 2, positions).check(dimensions)
    with pytest.raises(ConfigError, match="kind = 'cross_attention': expected direct, since a single vector"):
        CrossAttention.Config(8, 2).check(0)


def test_direct_sees_the_features_themselves_at_every_tick():
    observer = Direct.Config().build(channels=5, query=0)
    features = torch.randn(3, 5)
    prepared = observer.prepare(features)
    for tick in range(2):
        observation = observer.step(None, prepared, torch.full((3,), tick))
        assert observation.seen is features
        assert observation.attention is None
    assert prepared.grid == ()
    assert Direct.Config().width(5) == 5
    assert not list(observer.parameters())


def test_direct_takes_vectors_only():
    Direct.Config().check(0)
    with pytest.raises(ConfigError, match="2-dimensional"):
        Direct.Config().check(2)


def test_kinds():
    assert ObserverConfig.from_dict({"kind": "direct"}) == Direct.Config()
    assert ObserverConfig.from_dict({"kind": "cross_attention", "embedding": 4, "heads": 2}) == CrossAttention.Config(
        4, 2
    )
