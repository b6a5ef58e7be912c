"""Attention over the features, with a query formed from synchronization (section 3.4, eq. 7 and 8)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ctm.kernels.deferred import SharedProduct, linear
from ctm.kernels.precision import at_least_float32
from ctm.observers.base import Observation, Observer, ObserverConfig, require_samples
from ctm.positions import NoPositions, PositionConfig


class AttentionWeights(NamedTuple):
    """The linear maps of cross-attention, for all ticks."""

    query: SharedProduct  # (B, P) -> (B, E), scaled
    tokens: SharedProduct  # (B L, E) -> (B L, 2 E), keys and values
    output: SharedProduct  # (B, E) -> (B, E)


class PreparedAttention(NamedTuple):
    """What cross-attention looks at, projected once for all ticks."""

    query: SharedProduct  # (B, P) -> (B, E), scaled
    keys: SharedProduct  # (B heads, 1, E / heads) -> (B heads, 1, L)
    values: SharedProduct  # (B heads, 1, L) -> (B heads, 1, E / heads)
    output: SharedProduct  # (B, E) -> (B, E)
    grid: tuple[int, ...]  # the shape of the map whose cells are the L tokens
    heads: int

    @property
    def samples(self) -> tuple[Tensor, Tensor]:
        """Keys and values, (B, heads, L, E / heads) each."""
        return self.keys.weight.mT.unflatten(0, (-1, self.heads)), self.values.weight.unflatten(0, (-1, self.heads))

    def of(self, samples: tuple[Tensor, Tensor]) -> "PreparedAttention":
        """The same for other samples."""
        keys, values = (tokens.flatten(0, 1) for tokens in samples)
        return self._replace(keys=SharedProduct(keys.mT), values=SharedProduct(values))


class CrossAttention(Observer):
    """Multi-head attention over the features, with a query formed from synchronization (eq. 7, 8).

    Args:
        config: width, heads and positions.
        channels: channels of the features.
        query: P, size of the action representation.
    """

    @dataclass(frozen=True)
    class Config(ObserverConfig, kind="cross_attention"):
        """Looks at the features, at one place more than at another."""

        embedding: int
        """E (`d_input`), width of keys, values, queries and of what is seen."""
        heads: int
        """Attention heads; must divide `embedding`."""
        positions: PositionConfig = NoPositions()
        """Positional embedding added to the features."""
        dropout: float = 0.0
        """Probability that an attention weight is dropped in training."""

        uses_query: ClassVar[bool] = True

        def validate(self) -> None:
            self.require(self.heads >= 1, "heads", "at least 1")
            self.require(
                self.embedding >= 1 and self.embedding % self.heads == 0,
                "embedding",
                f"a positive multiple of heads = {self.heads}",
            )
            self.require(0 <= self.dropout < 1, "dropout", "0 <= dropout < 1")

        def check(self, dimensions: int) -> None:
            self.require(dimensions >= 1, "kind", "direct, since a single vector of features has no places to look at")
            self.require(
                self.positions.dimensions in (None, dimensions),
                "positions",
                f"an embedding for the {dimensions}-dimensional features of this backbone",
            )

        def width(self, channels: int) -> int:
            return self.embedding

        def build(self, channels: int, query: int) -> "CrossAttention":
            return CrossAttention(self, channels, query)

    def __init__(self, config: "CrossAttention.Config", channels: int, query: int) -> None:
        super().__init__()
        self.positions = config.positions.build(channels)
        self.features = nn.Sequential(nn.Linear(channels, config.embedding), nn.LayerNorm(config.embedding))
        self.query = nn.Linear(query, config.embedding)
        self.attention = nn.MultiheadAttention(config.embedding, config.heads, config.dropout, batch_first=True)

    def embed(self, features: Float[Tensor, "B C *grid"]) -> Float[Tensor, "B L E"]:
        """The tokens to look at: features with their positions, one token per cell, projected and normalised."""
        if self.positions is not None:
            features = features + self.positions(features)
        project, norm = self.features
        return norm(linear(project, features.flatten(2).transpose(1, 2)))  # ty: ignore[invalid-argument-type]

    def prepare_weights(self) -> AttentionWeights:
        """The linear maps, those that form a query folded into one."""
        width = self.attention.embed_dim
        weight, bias = self.attention.in_proj_weight[width:], self.attention.in_proj_bias[width:]
        output = self.attention.out_proj
        return AttentionWeights(
            self._prepare_query(), SharedProduct(weight.t(), bias), SharedProduct(output.weight.t(), output.bias)
        )

    def prepare(
        self, features: Float[Tensor, "B C *grid"], weights: AttentionWeights | None = None
    ) -> PreparedAttention:
        """Projects keys and values, which no tick changes."""
        weights = self.prepare_weights() if weights is None else weights
        tokens = self.embed(features)  # (B, L, E)
        projected = weights.tokens(tokens.flatten(0, 1))  # (B L, 2 E)
        keys, values = projected.view(*tokens.shape[:2], -1).chunk(2, dim=-1)  # (B, L, E) each
        return PreparedAttention(
            weights.query,
            SharedProduct(self._split(keys).transpose(1, 2)),
            SharedProduct(self._split(values)),
            weights.output,
            tuple(features.shape[2:]),
            self.attention.num_heads,
        )

    def step(self, query: Float[Tensor, "B P"], prepared: PreparedAttention, ticks: Int[Tensor, " B"]) -> Observation:
        """Looks at everything, at any tick."""
        return self.attend(query, prepared)

    def attend(
        self, query: Float[Tensor, "B P"], prepared: PreparedAttention, hidden: Bool[Tensor, "B L"] | None = None
    ) -> Observation:
        """Looks at the tokens, but for those of each sample that are `hidden`, which may not be all."""
        batch, heads = query.shape[0], self.attention.num_heads
        require_samples(batch, prepared.keys.weight.shape[0] // heads)
        asked = prepared.query(query).view(batch * heads, 1, -1)  # (B heads, 1, E / heads)
        scores = at_least_float32(prepared.keys(asked))  # (B heads, 1, L)
        if hidden is not None:
            scores = scores.masked_fill(hidden.repeat_interleave(heads, dim=0).unsqueeze(1), -torch.inf)
        attention = F.dropout(scores.softmax(-1), self.attention.dropout, self.training)
        seen = prepared.values(attention).view(batch, -1)  # (B, E)
        return Observation(prepared.output(seen), attention.view(batch, heads, -1))

    def _prepare_query(self) -> SharedProduct:
        """The two linear maps that form a query, and its scale, as one."""
        width, per_head = self.query.out_features, self.attention.head_dim
        weight, bias = self.attention.in_proj_weight[:width], self.attention.in_proj_bias[:width]
        scale = per_head**-0.5
        return SharedProduct((weight @ self.query.weight).t() * scale, (weight @ self.query.bias + bias) * scale)

    def _split(self, tokens: Float[Tensor, "B L E"]) -> Float[Tensor, "_samples_and_heads L _each"]:
        """Every head's part of the tokens, (B heads, L, E / heads)."""
        return tokens.unflatten(-1, (self.attention.num_heads, -1)).transpose(1, 2).flatten(0, 1)
