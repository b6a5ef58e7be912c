"""Interventions: the post-activations of chosen neurons are set to chosen values at chosen ticks.

They act between the core and the synchronizations, so that these and the next tick see the value that was set.
"""

import threading
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Ticks = int | range | slice | None
"""Which ticks: a number, counted from 0; a range, or a slice, which may be open at its end; or all of them."""

Neurons = int | Sequence[int] | Int[Tensor, " n"]
"""Which neurons, by their numbers from 0."""


class Intervention:
    """What is set, and when.

    Args:
        total: D, how many neurons there are.
        tick: when. A sample's ticks are counted from its start, also where a pass goes on from a state.
        neurons: which, none of them twice.
        value: a number, (n,) for the neurons, or (B, n) for samples and neurons. Gradients flow into it.

    Attributes:
        per_sample: whether every sample has values of its own.

    Raises:
        TypeError: for neurons or ticks that are no whole numbers.
        ValueError: for neurons that do not exist or are named twice, ticks that never come, or values that do not fit.
    """

    def __init__(self, total: int, tick: Ticks, neurons: Neurons, value: float | Tensor) -> None:
        self.tick, self.ticks = tick, as_range(tick)
        numbers = _numbers(neurons)
        for number in numbers:
            if not 0 <= number < total:
                raise ValueError(f"neurons: {number} does not exist; expected 0 to {total - 1}")
        if len(set(numbers)) != len(numbers) or not numbers:
            raise ValueError(f"neurons = {numbers}: expected at least one, and none twice")
        self.neurons = torch.tensor(numbers)  # (n,)
        self.value = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
        if self.value.dim() > 2 or (self.value.dim() and self.value.shape[-1] != len(numbers)):
            expected = f"a number, ({len(numbers)},) or (B, {len(numbers)}), for as many neurons"
            raise ValueError(f"value of shape {tuple(self.value.shape)}: expected {expected}")
        self.per_sample = self.value.dim() == 2 and len(self.value) != 1
        self._came: Any = None  # (), whether one of its ticks did
        self._thread = threading.get_ident()

    @property
    def is_here(self) -> bool:
        """Whether this is the thread that it was made in; elsewhere it does not act."""
        return threading.get_ident() == self._thread

    def apply(self, z: Float[Tensor, "B D"], ticks: Int[Tensor, " B"]) -> Float[Tensor, "B D"]:
        """The post-activations after a tick.

        Args:
            z: as the core gives them.
            ticks: how many each sample has thought before.

        Raises:
            ValueError: if there are values for another number of samples.
        """
        if not self.is_here:
            return z
        if self.per_sample and len(self.value) != len(z):
            raise ValueError(f"value for {len(self.value)} samples: expected {len(z)}, as many as are thought about")
        value = self.value.to(z).expand(len(z), len(self.neurons))  # (B, n)
        changed = z.index_copy(1, self.neurons.to(z.device), value)  # (B, D)
        if self.tick is None:
            return changed
        now = self._acts(ticks)  # (B,)
        self._came = now.any() if self._came is None else self._came | now.any()
        return torch.where(now.unsqueeze(1), changed, z)

    def _acts(self, ticks: Int[Tensor, " B"]) -> Bool[Tensor, " B"]:
        start, stop, step = self.ticks
        now = (ticks >= start) & ((ticks - start) % step == 0)
        return now if stop is None else now & (ticks < stop)

    def warn_if_it_never_came(self) -> None:
        """Warns that nothing was set, if no sample thought that long."""
        if self.tick is not None and (self._came is None or not self._came):
            warnings.warn(f"tick = {self.tick}: nothing was set, since no sample came to such a tick", stacklevel=4)


def as_range(tick: Ticks) -> tuple[int, int | None, int]:
    """Start, end (nothing if open) and step."""
    if tick is None:
        return 0, None, 1
    if isinstance(tick, int) and not isinstance(tick, bool):
        start, stop, step = tick, tick + 1, 1
    elif isinstance(tick, range):
        start, stop, step = tick.start, tick.stop, tick.step
    elif isinstance(tick, slice):
        start, stop, step = 0 if tick.start is None else tick.start, tick.stop, 1 if tick.step is None else tick.step
    else:
        raise TypeError(f"tick = {tick!r}: expected a number, a range, a slice, or None for all ticks")
    if start < 0 or step < 1 or (stop is not None and stop <= start):
        raise ValueError(f"tick = {tick!r}: expected ticks from 0 on, in order; a pass has no last one to count from")
    return start, stop, step


def _numbers(neurons: Neurons) -> list[int]:
    if isinstance(neurons, Tensor):
        neurons = neurons.tolist()
    numbers = [neurons] if isinstance(neurons, int) else list(neurons)
    if any(isinstance(number, bool) or not isinstance(number, int) for number in numbers):
        raise TypeError(f"neurons = {numbers}: expected whole numbers")
    return numbers
