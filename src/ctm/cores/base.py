"""What every recurrence over the latent state offers: (z, o) -> z', once per tick."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config


@dataclass(frozen=True)
class CoreConfig(Config):
    """Base of the recurrences."""

    neurons: int
    """D, the number of neurons, the width of the latent state."""

    def validate(self) -> None:
        self.require(self.neurons >= 1, "neurons", "at least 1")

    @abstractmethod
    def build(self, observed: int) -> "Core":
        """Makes the core for observations of width E = `observed`."""


class Core(nn.Module):
    """Base of the recurrences. A state has `post_activations`, z (B, D), and `pre_activations`, (B, D) or nothing."""

    def start(self, batch: int) -> Any:
        """The learned state before the first tick."""
        raise NotImplementedError

    def prepare(self, ticks: int) -> Any:
        """What no tick changes, given to every `step`; `ticks` as for `ContinuousThoughtMachine.prepare`."""
        raise NotImplementedError

    def step(self, state: Any, observation: Float[Tensor, "B E"], prepared: Any) -> Any:
        """One tick."""
        raise NotImplementedError

    def replace_post_activations(self, state: Any, z: Float[Tensor, "B D"]) -> Any:
        """The state after a tick that gave other post-activations, for `ContinuousThoughtMachine.intervene`."""
        return state._replace(post_activations=z)


def symmetric_uniform(*shape: int, bound: float) -> Tensor:
    """A tensor drawn uniformly from [-bound, bound]."""
    return torch.empty(shape).uniform_(-bound, bound)
