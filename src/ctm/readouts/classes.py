"""What the machine says: logits from the output synchronization (eq. 6)."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config
from ctm.kernels.deferred import linear


class Readout(nn.Module):
    """A linear head that gives structured logits, (…, P) -> (…, *answer, C)."""

    @dataclass(frozen=True)
    class Config(Config):
        """Shape of an answer."""

        classes: int
        """C, classes at each position of the answer."""
        answer: tuple[int, ...] = ()
        """Shape of the answer: nothing for one label, [64] for a label at each of 64 positions."""

        def validate(self) -> None:
            self.require(self.classes >= 2, "classes", "at least 2")
            self.require(all(size >= 1 for size in self.answer), "answer", "sizes of at least 1")

    def __init__(self, config: "Readout.Config", representation: int) -> None:
        super().__init__()
        self.shape = (*config.answer, config.classes)
        self.linear = nn.Linear(representation, math.prod(self.shape))

    def forward(self, representation: Float[Tensor, "*batch P"]) -> Float[Tensor, "*shape C"]:
        return linear(self.linear, representation).unflatten(-1, self.shape)
