"""Rewards in units of how much discounted returns vary, whatever units an environment counts in."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ctm.running import with_more


class RewardScale:
    """Divides rewards by the deviation of all discounted returns so far, those of all environments together.

    The statistics begin as if there had been one return, with mean 0 and variance 1: the first rewards of many
    environments are the same, and would be divided by nothing.

    Args:
        environments: B.
        discount: gamma.

    Attributes:
        returns: (B,) discounted sums of the rewards of the episodes that go on.
        statistics: (3,) how many returns there were, their mean, and their variance.
    """

    def __init__(self, environments: int, discount: float) -> None:
        self.discount = discount
        self.returns = torch.zeros(environments, dtype=torch.float64)
        self.statistics = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)

    def __call__(
        self, rewards: Float[Tensor, " B"], ended: Bool[Tensor, " B"], counts: Bool[Tensor, " B"]
    ) -> Float[Tensor, " B"]:
        """The rewards of a step, scaled.

        Args:
            rewards: of the step.
            ended: where it ended an episode.
            counts: where it was an action, and not the beginning of an episode.
        """
        self.returns = self.returns * self.discount + rewards
        if counts.any():
            self.statistics = with_more(self.statistics, self.returns[counts])
        self.returns = self.returns.masked_fill(ended, 0)
        return rewards / self.statistics[2].sqrt().to(rewards)
