"""The paper's loss: at the tick of least loss and at the most certain one (section 3.5, Listing 4)."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ctm.losses.base import LossConfig
from ctm.losses.cross_entropy import cross_entropy_over_ticks
from ctm.thoughts import Thoughts

SecondTick = Literal["most_certain", "last"]


@dataclass(frozen=True)
class TwoTickLoss(LossConfig, kind="two_tick"):
    """Cross-entropy at two ticks of every sample: that of least loss, and a second one (eq. 11)."""

    second_tick: SecondTick = "most_certain"
    """"most_certain" as a CTM is trained, "last" as the paper's baselines are."""

    def __call__(self, thoughts: Thoughts, targets: Tensor) -> Float[Tensor, ""]:
        thoughts = thoughts.due
        losses = cross_entropy_over_ticks(thoughts.logits, targets)
        return two_tick_loss(losses, thoughts.certainty, self.second_tick)


def two_tick_loss(
    losses: Float[Tensor, "B T"], certainty: Float[Tensor, "B T"], second_tick: SecondTick = "most_certain"
) -> Float[Tensor, ""]:
    """The mean of the loss at two ticks, chosen for every sample by itself (eq. 11).

    Args:
        losses: the loss of every sample at every tick.
        certainty: how certain each was.
        second_tick: t2; the first tick t1 is always that of least loss. "most_certain" as the CTM is trained, "last" as
            the baselines are.

    Returns:
        the mean over the batch of (L[t1] + L[t2]) / 2.
    """
    least = losses.min(dim=1).values  # (B,)
    if second_tick == "last":
        return (least + losses[:, -1]).mean() / 2
    chosen = certainty.argmax(dim=1, keepdim=True)  # (B, 1)
    return (least + losses.gather(1, chosen).squeeze(1)).mean() / 2
