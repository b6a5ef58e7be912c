"""An LSTM unrolled over internal ticks: the paper's recurrent baseline (appendices D.4, F.5, G.1)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.cores.base import Core, CoreConfig, symmetric_uniform
from ctm.kernels.deferred import SharedProduct


class LSTMState(NamedTuple):
    """What an LSTM remembers."""

    post_activations: Tensor  # z (B, D), the hidden state of the last layer
    hidden: Tensor  # (B, layers, D)
    cell: Tensor  # (B, layers, D)

    @property
    def pre_activations(self) -> None:
        """An LSTM has none."""


class LSTMCore(Core):
    """An LSTM that is unrolled over internal ticks: the paper's recurrent baseline (appendices D.4, F.5, G.1).

    Attributes:
        lstm: the parameters, under the names and with the gates of `torch.nn.LSTM`.
        start_hidden, start_cell: (layers, D) the learned states before the first tick; not where the input is joined.
        start_post_activations: (D,) the learned z^1, only where the input is joined.
    """

    @dataclass(frozen=True)
    class Config(CoreConfig, kind="lstm"):
        """A long short-term memory."""

        layers: int = 1
        """LSTMs on top of each other, all D wide."""
        joined: bool = False
        """Whether the input is the observation joined with z, with a learned z^1 and states that begin at zero, as
        the published parameter counts of the maze task ask for; if not, it is the observation alone, with learned
        states to begin with, as in the authors' code and all other published counts."""

        def validate(self) -> None:
            super().validate()
            self.require(self.layers >= 1, "layers", "at least 1")

        def build(self, observed: int) -> "LSTMCore":
            return LSTMCore(self, observed)

    def __init__(self, config: "LSTMCore.Config", observed: int) -> None:
        super().__init__()
        neurons, self.joined = config.neurons, config.joined
        self.lstm = nn.LSTM(observed + neurons if self.joined else observed, neurons, config.layers)
        if self.joined:
            self.start_post_activations = nn.Parameter(symmetric_uniform(neurons, bound=neurons**-0.5))
        else:
            self.start_hidden = nn.Parameter(symmetric_uniform(config.layers, neurons, bound=neurons**-0.5))
            self.start_cell = nn.Parameter(symmetric_uniform(config.layers, neurons, bound=neurons**-0.5))

    def start(self, batch: int) -> LSTMState:
        """The learned state before the first tick, for every sample."""
        if self.joined:
            z = self.start_post_activations
            nothing = z.new_zeros(batch, self.lstm.num_layers, self.lstm.hidden_size)
            return LSTMState(z.expand(batch, -1), nothing, nothing)
        hidden = self.start_hidden.expand(batch, -1, -1)
        return LSTMState(hidden[:, -1], hidden, self.start_cell.expand(batch, -1, -1))

    def prepare(self, ticks: int) -> list[SharedProduct]:
        """For every layer, the map from its input and hidden state, joined, to its gates."""
        layers = []
        for layer in range(self.lstm.num_layers):
            of_input, of_hidden, bias, second_bias = (
                getattr(self.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            layers.append(SharedProduct(torch.cat([of_input, of_hidden], dim=1).t(), bias + second_bias))
        return layers

    def step(self, state: LSTMState, observation: Float[Tensor, "B E"], prepared: list[SharedProduct]) -> LSTMState:
        """One tick, through all layers."""
        x = torch.cat([observation, state.post_activations], dim=-1) if self.joined else observation
        hidden, cell = [], []
        for gates, h, c in zip(prepared, state.hidden.unbind(1), state.cell.unbind(1), strict=True):
            take, keep, new, give = gates(torch.cat([x, h], dim=-1)).chunk(4, dim=-1)  # (B, D) each
            cell.append(keep.sigmoid() * c + take.sigmoid() * new.tanh())
            x = give.sigmoid() * cell[-1].tanh()
            hidden.append(x)
        return LSTMState(x, torch.stack(hidden, dim=1), torch.stack(cell, dim=1))

    def replace_post_activations(self, state: LSTMState, z: Float[Tensor, "B D"]) -> LSTMState:
        """They are the hidden state of the last layer, too."""
        return state._replace(post_activations=z, hidden=torch.cat([state.hidden[:, :-1], z.unsqueeze(1)], dim=1))
