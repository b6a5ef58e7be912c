"""What neurons remember: the last M pre-activations (eq. 2), kept in one buffer for all ticks of a pass.

Joining the newest pre-activation to a copy of the history at every tick costs T copies, all of them kept for the
backward pass. In a buffer of M + T columns the history of every tick is a view.
"""

from jaxtyping import Float
from torch import Tensor

from ctm.kernels.precision import autocast_dtype


class HistoryBuffer:
    """The histories of `ticks` ticks in a row.

    Args:
        start: the history before the first of them.
        ticks: how many there is room for.

    Attributes:
        full: whether there is no room for another tick.
    """

    def __init__(self, start: Float[Tensor, "B D M"], ticks: int) -> None:
        batch, neurons, self.memory = start.shape
        self.ticks = ticks
        self.tick = 0
        self.columns = start.new_empty(neurons, self.memory + ticks, batch, dtype=autocast_dtype(start))
        self.columns[:, : self.memory] = start.detach().permute(1, 2, 0)

    @property
    def full(self) -> bool:
        return self.tick == self.ticks

    def extend(self, newest: Float[Tensor, "B D"]) -> int:
        """Takes in the pre-activations of one more tick, whose number is returned."""
        # .data: earlier histories, kept for the backward pass, are views of other columns and stay valid
        self.columns.data[:, self.memory + self.tick] = newest.detach().t()
        self.tick += 1
        return self.tick - 1

    def after(self, tick: int) -> Float[Tensor, "D M B"]:
        """The history that ends with a tick, a view."""
        return self.window(self.columns, tick)

    def window(self, columns: Float[Tensor, "D columns B"], tick: int) -> Float[Tensor, "D M B"]:
        """Those of the columns, or of their gradients, that the history after a tick consists of."""
        return columns[:, tick + 1 : tick + 1 + self.memory]
