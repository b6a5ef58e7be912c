"""ResNets with weights that were published for ImageNet."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig, as_pictures
from ctm.backbones.pretrained import Pretrained, reads_published_weights
from ctm.backbones.resnet import BLOCKS, convolution, published_name, residual_stages, stage_channels
from ctm.errors import DataError

_BLOCKS = BLOCKS | {152: (3, 8, 36, 3)}  # as He et al. have it, which `BLOCKS` does not


class PretrainedResNet(Pretrained):
    """A ResNet for ImageNet (He et al. 2016): 7x7 stem with stride 2, a max-pool, then 1 to 4 stages.

    The features are those of the last stage, after all four a 32nd of the picture's height and width: no pooling over
    space, no classifier. Pictures have three channels, normalised as for the training of the weights.
    """

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="pretrained_resnet"):
        """A ResNet with the weights of a file."""

        weights: str
        """A state dict as torchvision and timm publish them, .safetensors or .pth; its classifier is left out. A run
        reads it when it begins, and has its own checkpoints later."""
        depth: int = 50
        """Which ResNet: 18, 34, 50, 101 or 152."""
        stages: int = 4
        """How many of its four stages."""
        frozen: bool = True
        """Keep the weights as they are, and batch normalisation in evaluation mode, instead of training further."""

        def validate(self) -> None:
            self.require(self.depth in _BLOCKS, "depth", f"one of {', '.join(map(str, _BLOCKS))}")
            self.require(1 <= self.stages <= 4, "stages", "1 to 4")

        @property
        def dimensions(self) -> int:
            return 2

        @property
        def channels(self) -> int:
            return stage_channels(self.depth, self.stages)

        def adapted(self, shape: tuple[int, ...]) -> "PretrainedResNet.Config | None":
            return self if len(shape) == 3 and shape[0] == 3 else None

        def check_weights(self) -> None:
            with torch.device("meta"):
                without_numbers = PretrainedResNet(self)
            without_numbers.read(Path(self.weights))

        def build(self) -> "PretrainedResNet":
            """Makes the ResNet, with the weights of the file.

            Raises:
                DataError: if they cannot be read, or are those of something else.
            """
            made = PretrainedResNet(self)
            if reads_published_weights():
                made.load_state_dict(made.read(Path(self.weights)))
            return made

    def __init__(self, config: "PretrainedResNet.Config") -> None:
        super().__init__(config.frozen)
        self.depth = config.depth
        layers = convolution(3, 64, 7, stride=2)
        self.stem = nn.Sequential(*layers, nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = residual_stages(config.depth, _BLOCKS[config.depth][: config.stages])
        self.freeze()

    def forward(self, x: Float[Tensor, "B _in _H _W"]) -> Float[Tensor, "B C H W"]:
        return self.stages(self.stem(as_pictures(x, 3)))

    def read(self, path: Path) -> dict[str, Tensor]:
        """The tensors of a file by their names here.

        Raises:
            DataError: if it cannot be read, or tensors are missing, unexpected or of another shape.
        """
        published = _read(path)
        found = {}
        for name, tensor in self.state_dict().items():
            theirs = published_name(name)
            if theirs not in published:
                if name.endswith("num_batches_tracked"):  # which older files do not have
                    found[name] = torch.zeros((), dtype=tensor.dtype, device="cpu")
                    continue
                raise self._misfit(path, f"{theirs} is missing")
            found[name] = published.pop(theirs)
            if found[name].shape != tensor.shape:
                shapes = f"{tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
                raise self._misfit(path, f"{theirs} has shape {shapes}")
        unused = ("fc.", *(f"layer{stage + 1}." for stage in range(len(self.stages), 4)))
        for theirs in published:
            if not theirs.startswith(unused):
                raise self._misfit(path, f"{theirs} is unexpected")
        return found

    def _misfit(self, path: Path, what: str) -> DataError:
        return DataError(f"{path}: no weights of a ResNet-{self.depth} for ImageNet: {what}; give others, or its depth")


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by their names there."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected published weights, .safetensors or .pth")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch raises many kinds for broken files
        raise DataError(f"{path}: weights that cannot be read ({type(error).__name__}: {error})") from None
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise DataError(f"{path}: expected a state dict, names with a tensor each; found something else")
    return found
