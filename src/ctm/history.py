"""What neurons remember: the last M pre-activations (eq. 2), kept in one buffer for all ticks of a pass.

Joining the newest pre-activation to a copy of the history at every tick costs T copies, all of them kept for the
backward pass. In a buffer of M + T columns the history of every tick is a view.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from ctm.precision import autocast_dtype
from ctm.sharing import Notes, hold


class Histories:
    """The histories of all ticks of a pass.

    Args:
        ticks: how many ticks there is room for; with none, every history is a new tensor, and nothing is kept. When
            the room is full, the buffer starts anew from the last history.
    """

    def __init__(self, ticks: int = 0) -> None:
        self.ticks = ticks
        self.tick = ticks  # full: the first history comes with the first call

    def extend(self, history: Float[Tensor, "B D M"], newest: Float[Tensor, "B D"]) -> Float[Tensor, "B D M"]:
        """The history one tick later: without its oldest column, and with the newest."""
        if not self.ticks:
            return torch.cat([history[..., 1:], newest.unsqueeze(-1)], dim=-1)
        if self.tick == self.ticks:
            self._begin(history)
        tick, self.tick = self.tick, self.tick + 1
        if self.collects:
            return _Extend.apply(newest, self.start, self, tick)
        return self.write(newest, tick)

    def write(self, newest: Float[Tensor, "B D"], tick: int) -> Float[Tensor, "B D M"]:
        """Puts the newest column where it belongs and gives the history that ends with it, a view."""
        # .data: earlier histories, kept for the backward pass, are views of other columns and stay valid
        self.buffer.data[:, self.memory + tick] = newest.t()
        return self.window(self.buffer, tick)

    def window(self, columns: Float[Tensor, "D columns B"], tick: int) -> Float[Tensor, "B D M"]:
        """The columns that the history after a tick consists of."""
        return columns[:, tick + 1 : tick + 1 + self.memory].permute(2, 0, 1)

    def _begin(self, history: Float[Tensor, "B D M"]) -> None:
        batch, neurons, self.memory = history.shape
        self.tick = 0
        self.notes = Notes()
        self.buffer = history.new_empty(neurons, self.memory + self.ticks, batch, dtype=autocast_dtype(history))
        self.buffer[:, : self.memory] = history.detach().permute(1, 2, 0)
        self.collects = torch.is_grad_enabled()
        self.start = hold(self.notes, history)[0] if self.collects else history


class _Extend(Function):
    @staticmethod
    def forward(ctx, newest: Tensor, start: Tensor, histories: Histories, tick: int) -> Tensor:
        ctx.histories, ctx.tick, ctx.notes, ctx.columns = histories, tick, histories.notes, histories.buffer.shape
        return histories.write(newest, tick)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor):
        histories, tick = ctx.histories, ctx.tick
        notes = ctx.notes.of_this_walk(lambda: _Gradient(histories.memory, grad.new_zeros(ctx.columns)))
        histories.window(notes.columns, tick).add_(grad)
        # later ticks were here before, so the newest column of this one is complete
        return notes.columns[:, histories.memory + tick].t(), None, None, None


class _Gradient:
    """The gradient of all columns, summed over the histories they were part of."""

    def __init__(self, memory: int, columns: Tensor) -> None:
        self.memory = memory
        self.columns = columns  # (D, M + T, B)

    def gradients(self) -> tuple[Tensor]:
        return (self.columns[:, : self.memory].permute(2, 0, 1),)
