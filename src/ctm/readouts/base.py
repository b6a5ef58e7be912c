"""What every readout offers: answers from the output representation, and how sure each is."""

from abc import abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from ctm.certainty import certainty
from ctm.config import Config


class ReadoutConfig(Config):
    """Base of the readouts."""

    default_kind: ClassVar[str | None] = "classes"

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(*answer, C), the shape of the logits of a tick."""

    @abstractmethod
    def build(self, representation: int) -> "Readout":
        """Makes the readout of a representation of so many numbers."""


class Readout(nn.Module):
    """Base of the readouts, (…, P) -> (…, *answer, C).

    Args:
        config: says the shape of the logits.

    Attributes:
        shape: (*answer, C).
    """

    def __init__(self, config: ReadoutConfig) -> None:
        super().__init__()
        self.shape = config.shape

    def forward(self, representation: Float[Tensor, "*batch P"]) -> Float[Tensor, "*shape C"]:
        """The logits of every tick, after all ticks at once or of a single one."""
        raise NotImplementedError

    def certainty(self, logits: Float[Tensor, "*shape C"]) -> Float[Tensor, "*rest"]:
        """How sure answers are: by default 1 minus the normalised entropy, averaged over answer positions."""
        return certainty(logits, positions=len(self.shape) - 1)
