"""Synchronization over the last ticks only, for a machine that thinks without end (appendix G.6)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from ctm.cores.base import symmetric_uniform
from ctm.pairings import Role
from ctm.synchronization import PairRepresentation, PairRepresentationConfig, within_bounds

MAXIMUM_DECAY = 4.0
"""Decays r are kept in [0, 4] here, as the authors do."""


class WindowedSynchronization(PairRepresentation):
    """Decayed inner products of neuron pairs over a window of the last M ticks (appendix G.6).

    The newest post-activations have the age 0 and count exp(-r age). Before there were M of them, learned ones stand in
    their places. Nothing is summed up over ticks, so that nothing drifts over episodes of any length. The state is the
    window itself, (B, P, M) products z_i z_j, newest last: what the gradient needs in any case.

    Attributes:
        start_window: (D, M - 1) the learned post-activations before z^1, newest last.
    """

    @dataclass(frozen=True)
    class Config(PairRepresentationConfig, kind="windowed"):
        """Synchronization of chosen neuron pairs over the last ticks."""

        window: int = 10
        """M, how many ticks count."""

        def validate(self) -> None:
            self.require(self.window >= 1, "window", "at least 1")

        def build(self, neurons: int, role: Role, generator: Generator) -> "WindowedSynchronization":
            return WindowedSynchronization(self, neurons, role, generator)

    def __init__(
        self, config: "WindowedSynchronization.Config", neurons: int, role: Role, generator: Generator
    ) -> None:
        super().__init__(config, neurons, role, generator)
        bound = (neurons + config.window) ** -0.5
        self.start_window = nn.Parameter(symmetric_uniform(neurons, config.window - 1, bound=bound))

    def start(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B P M"]:
        """The learned window, with z^1 as its newest entry."""
        learned = self.product(self.start_window.t()).t()  # (P, M - 1)
        return torch.cat([learned.expand(z.shape[0], -1, -1), self.product(z).unsqueeze(-1)], dim=-1)

    def step(self, state: Float[Tensor, "B P M"], z: Float[Tensor, "B D"], prepared: None) -> Float[Tensor, "B P M"]:
        """Takes in the post-activations of one more tick, and forgets the oldest."""
        return torch.cat([state[..., 1:], self.product(z).unsqueeze(-1)], dim=-1)

    def read(self, state: Float[Tensor, "B P M"]) -> Float[Tensor, "B P"]:
        """S_ij of eq. 10, over the window."""
        age = torch.arange(state.shape[-1] - 1, -1, -1, device=state.device)  # (M,)
        rate = within_bounds(self.decay, 0.0, MAXIMUM_DECAY).to(state.dtype)  # (P,)
        weights = torch.exp(-rate.unsqueeze(-1) * age)  # (P, M)
        return (state * weights).sum(-1) / weights.sum(-1).sqrt()
