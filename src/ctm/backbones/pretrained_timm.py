"""Networks of the library timm, with their published weights."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor

from ctm.backbones.base import BackboneConfig, as_pictures
from ctm.backbones.pretrained import Pretrained, reads_published_weights
from ctm.errors import ConfigError, DataError


class PretrainedTimm(Pretrained):
    """The feature maps of a network of the library timm."""

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="timm"):
        """A network of timm with its published weights, which timm fetches when a run begins."""

        name: str
        """Which network, as in timm.create_model: "resnet50.a1_in1k", "convnext_tiny.fb_in1k"."""
        channels: int = 2048
        """C, the channels of the feature map."""
        feature_map: int | None = None
        """Which of its feature maps, counted from 0, the largest; nothing for the last one."""
        frozen: bool = True
        """Keep the weights as they are, and batch normalisation in evaluation mode, instead of training further."""

        def validate(self) -> None:
            self.require(self.channels >= 1, "channels", "at least 1")
            self.require(self.feature_map is None or self.feature_map >= 0, "feature_map", "0 or more, or nothing")

        @property
        def dimensions(self) -> int:
            return 2

        def adapted(self, shape: tuple[int, ...]) -> "PretrainedTimm.Config | None":
            return self if len(shape) == 3 and shape[0] == 3 else None

        def check_weights(self) -> None:
            self.build()

        def build(self) -> "PretrainedTimm":
            """Makes the network.

            Raises:
                ConfigError: if timm is not installed, or the feature map has other channels.
                DataError: if the network or its weights are not to be had.
            """
            return PretrainedTimm(self)

    def __init__(self, config: "PretrainedTimm.Config") -> None:
        super().__init__(config.frozen)
        try:
            import timm  # ty: ignore[import-not-found]
        except ImportError:
            needed = "pip install 'continuous-thought-machines[timm]'"
            raise ConfigError(
                f"backbone.kind = 'timm': needs the package 'timm', which is not installed: {needed}"
            ) from None
        chosen: dict[str, Any] = {} if config.feature_map is None else {"out_indices": (config.feature_map,)}
        try:
            self.network = timm.create_model(
                config.name, pretrained=reads_published_weights(), features_only=True, **chosen
            )
        except Exception as error:  # the library raises many kinds, with and without a network
            raise DataError(
                f"backbone.name = {config.name!r}: not to be had from timm ({type(error).__name__}: {error})"
            ) from error
        channels = self.network.feature_info.channels()[-1]
        if channels != config.channels:
            raise ConfigError(
                f"backbone.channels = {config.channels}: expected {channels}, as the feature map of {config.name!r} has"
            )
        self.freeze()

    def forward(self, x: Float[Tensor, "B _in _H _W"]) -> Float[Tensor, "B C H W"]:
        return self.network(as_pictures(x, 3))[-1]
