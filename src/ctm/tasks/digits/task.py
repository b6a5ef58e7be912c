"""The 1,797 handwritten digits of the UCI test set, as scikit-learn ships them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ctm.tasks.base import Batch, DataError
from ctm.tasks.in_memory import holdout
from ctm.tasks.pictures import PictureTask, PictureTaskConfig


class Digits(PictureTask):
    """Which digit is it? Pictures (B, 1, 8, 8) from -1 to 1; a fixed fifth of the samples is for testing."""

    @dataclass(frozen=True)
    class Config(PictureTaskConfig, kind="digits"):
        """scikit-learn's handwritten digits."""

        test_share: float = 0.2
        """Share of the samples that is kept for testing."""
        split_seed: int = 0
        """Which samples these are; the same for all seeds of training."""

        def validate(self) -> None:
            super().validate()
            self.require(0 < self.test_share < 1, "test_share", "between 0 and 1")

        def build(self) -> "Digits":
            return Digits(self)

    def __init__(self, config: "Digits.Config") -> None:
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise DataError(
                "the digits come with scikit-learn: pip install 'continuous-thought-machines[data]'"
            ) from error
        pictures, labels = load_digits(return_X_y=True)
        stored = torch.from_numpy(pictures * (255 / 16)).round().byte().view(-1, 8, 8)  # from 0 to 16 at first
        samples = Batch(stored, torch.from_numpy(labels).long())
        super().__init__(config, *holdout(samples, config.test_share, config.split_seed))

    def inputs(self, stored: Tensor) -> Tensor:
        return stored.unsqueeze(1).float() / 127.5 - 1  # (B, 1, 8, 8)
