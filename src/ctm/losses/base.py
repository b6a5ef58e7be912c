"""What every loss offers: a number to minimise, made of the answers of all ticks."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from ctm.config import Config
from ctm.thoughts import Thoughts


class LossConfig(Config):
    """Base of the losses. A loss has no weights, so its configuration is the loss itself: it can be called."""

    @abstractmethod
    def __call__(self, thoughts: Thoughts, targets: Tensor) -> Float[Tensor, ""]:
        """What training minimises.

        Args:
            thoughts: the answers of all ticks; those at which one is due are `thoughts.due`.
            targets: (B, *answer) the right classes, or whatever else the task gives.

        Returns:
            (), the mean over the batch.
        """
