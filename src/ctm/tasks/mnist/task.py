"""MNIST: 60,000 handwritten digits to learn from and validate on, 10,000 to be tested on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ctm.tasks.base import Batch
from ctm.tasks.in_memory import holdout
from ctm.tasks.mnist.files import read_folder, read_hub
from ctm.tasks.pictures import PictureTask, PictureTaskConfig

MEAN, DEVIATION = 0.1307, 0.3081


class Mnist(PictureTask):
    """Which digit is it? Pictures (B, 1, 28, 28), normalised by the mean and deviation of the training pixels."""

    @dataclass(frozen=True)
    class Config(PictureTaskConfig, kind="mnist"):
        """LeCun's handwritten digits."""

        folder: str | None = None
        """Where the four IDX files are (plain or .gz); nothing to fetch `dataset` from the Hugging Face hub."""
        dataset: str = "ylecun/mnist"
        """Name on the hub, used when no folder is given."""

        def example(self, batch: int) -> Tensor:
            return torch.zeros(batch, 1, 28, 28)

        def build(self) -> "Mnist":
            return Mnist(self)

    def __init__(self, config: "Mnist.Config") -> None:
        train, test = read_folder(config.folder) if config.folder is not None else read_hub(config.dataset)
        super().__init__(config, *holdout(Batch(*train), config.validation_share, seed=0), Batch(*test))

    def inputs(self, stored: Tensor) -> Tensor:
        return (stored.unsqueeze(1).float() / 255 - MEAN) / DEVIATION  # (B, 1, 28, 28)
