"""What to do and what to expect of it: a policy and a value from the representation (appendix G.6)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.certainty import certainty
from ctm.kernels.precision import at_least_float32
from ctm.readouts.base import Readout, ReadoutConfig


class ActorCritic(Readout):
    """Two perceptrons with two hidden layers, (…, P) -> (…, n + 1): n numbers of the policy, and the value.

    The policy's numbers are logits of the actions; of continuous ones their means and then the logarithms of their
    standard deviations, which are learned, but the same whatever has been seen.

    Attributes:
        actor, critic: the perceptrons.
        log_deviation: (actions,) of continuous actions.
    """

    @dataclass(frozen=True)
    class Config(ReadoutConfig, kind="actor_critic"):
        """An actor and a critic."""

        actions: int
        """How many actions there are to choose from, or numbers of an action if they are continuous."""
        continuous: bool = False
        """Whether an action is a vector of numbers rather than a choice."""
        hidden: int = 64
        """Units of each hidden layer."""

        def validate(self) -> None:
            fewest = 1 if self.continuous else 2
            self.require(self.actions >= fewest, "actions", f"at least {fewest}")
            self.require(self.hidden >= 1, "hidden", "at least 1")

        @property
        def shape(self) -> tuple[int, ...]:
            """(n + 1,), the numbers of the policy and the value."""
            return (self.actions * (2 if self.continuous else 1) + 1,)

        def build(self, representation: int) -> "ActorCritic":
            return ActorCritic(self, representation)

    def __init__(self, config: "ActorCritic.Config", representation: int) -> None:
        super().__init__(config)
        self.continuous = config.continuous
        self.actor = _perceptron(representation, config.hidden, config.actions)
        self.critic = _perceptron(representation, config.hidden, 1)
        if self.continuous:
            self.log_deviation = nn.Parameter(torch.zeros(config.actions))

    def forward(self, representation: Float[Tensor, "*batch P"]) -> Float[Tensor, "*batch _"]:
        policy = self.actor(representation)  # (…, actions)
        parts = [policy, self.log_deviation.expand_as(policy)] if self.continuous else [policy]
        return torch.cat([*parts, self.critic(representation)], dim=-1)

    def certainty(self, logits: Float[Tensor, "*batch _"]) -> Float[Tensor, "*batch"]:
        """1 minus the normalised entropy of the actions; of continuous ones the mean of 1 / (1 + standard deviation),
        from 0 (anything goes) to 1 (no doubt)."""
        policy, _ = self.split(logits)
        if not self.continuous:
            return certainty(policy)
        return torch.sigmoid(-at_least_float32(policy.chunk(2, dim=-1)[1])).mean(-1)

    @staticmethod
    def split(logits: Float[Tensor, "*batch _"]) -> tuple[Float[Tensor, "*batch _"], Float[Tensor, "*batch"]]:
        """The numbers of the policy and the value."""
        return logits[..., :-1], logits[..., -1]


def _perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Its weights begin orthogonal and its biases at zero, as the authors have it."""
    sizes = [inputs, hidden, hidden, outputs]
    layers: list[nn.Module] = []
    for size, following in zip(sizes[:-1], sizes[1:], strict=True):
        linear = nn.Linear(size, following)
        nn.init.orthogonal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
