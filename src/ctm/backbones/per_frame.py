"""A backbone for sequences of pictures: another one, applied to each."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig


class PerFrame(nn.Module):
    """Applies a backbone to every picture of a sequence; the place in the sequence becomes the first grid dimension.

    Batch normalisation sees all pictures of a batch together. (The authors' code sees those of one place at a time.)
    """

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="per_frame"):
        """A backbone for each picture of a sequence."""

        backbone: BackboneConfig
        """What turns a picture into features."""

        @property
        def dimensions(self) -> int:
            return 1 + self.backbone.dimensions

        @property
        def channels(self) -> int:
            return self.backbone.channels

        def adapted(self, shape: tuple[int, ...]) -> None:
            return None

        def check_weights(self) -> None:
            self.backbone.check_weights()

        def build(self) -> "PerFrame":
            return PerFrame(self)

    def __init__(self, config: "PerFrame.Config") -> None:
        super().__init__()
        self.backbone = config.backbone.build()

    def forward(self, x: Float[Tensor, "B n *picture"]) -> Float[Tensor, "B C n *grid"]:
        features = self.backbone(x.flatten(0, 1))  # (B n, C, *grid)
        return features.unflatten(0, x.shape[:2]).transpose(1, 2)
