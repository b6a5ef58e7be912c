"""A token for every number of a vector, such as the columns of a table."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig, require_inputs


class FeatureTokens(nn.Module):
    """Each feature is a place to look at: its value times a learned vector of its own, plus another one.

    The second vectors tell the features apart, so that no positions are needed.
    """

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="feature_tokens"):
        """Two learned vectors per feature."""

        features: int = 1
        """Numbers of a vector."""
        width: int = 32
        """C, length of the learned vectors."""

        def validate(self) -> None:
            self.require(self.features >= 1, "features", "at least 1")
            self.require(self.width >= 1, "width", "at least 1")

        @property
        def dimensions(self) -> int:
            return 1

        @property
        def channels(self) -> int:
            return self.width

        def adapted(self, shape: tuple[int, ...]) -> "FeatureTokens.Config | None":
            return self.replace(features=shape[0]) if len(shape) == 1 else None

        def build(self) -> "FeatureTokens":
            return FeatureTokens(self)

    def __init__(self, config: "FeatureTokens.Config") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(config.width, config.features))
        self.bias = nn.Parameter(torch.randn(config.width, config.features))

    def forward(self, x: Float[Tensor, "B *_features"]) -> Float[Tensor, "B C L"]:
        require_inputs(x, "vectors", (self.weight.shape[1],))
        return torch.addcmul(self.bias, x.unsqueeze(1), self.weight)  # (B, C, L)
