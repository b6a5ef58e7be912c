"""Gated units for vectors, such as what a controller measures (appendix G.6)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig, require_inputs
from ctm.gated import gated_blocks
from ctm.running import RunningNorm


class GatedPerceptron(nn.Module):
    """Blocks of Linear, GLU and LayerNorm."""

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="perceptron"):
        """Gated units."""

        features: int = 1
        """Numbers of a vector."""
        width: int = 64
        """C, units of each block."""
        blocks: int = 2
        """How many blocks follow each other."""
        normalised: bool = False
        """Whether inputs are taken in units of how much they have varied so far in training by acting."""

        def validate(self) -> None:
            for name in ("features", "width", "blocks"):
                self.require(getattr(self, name) >= 1, name, "at least 1")

        @property
        def dimensions(self) -> int:
            return 0

        @property
        def channels(self) -> int:
            return self.width

        def adapted(self, shape: tuple[int, ...]) -> "GatedPerceptron.Config | None":
            return self.replace(features=shape[0]) if len(shape) == 1 else None

        def build(self) -> "GatedPerceptron":
            return GatedPerceptron(self)

    def __init__(self, config: "GatedPerceptron.Config") -> None:
        super().__init__()
        self.features = config.features
        norm = [RunningNorm(config.features)] if config.normalised else []
        self.layers = nn.Sequential(*norm, *gated_blocks(config.features, config.width, config.blocks))

    def forward(self, x: Float[Tensor, "B *_features"]) -> Float[Tensor, "B C"]:
        require_inputs(x, "vectors", (self.features,))
        return self.layers(x)
