"""A machine that watches: frame after frame, it goes on thinking from where it was."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ctm.inputs import as_tuple, require_batch, tree_map
from ctm.kernels.precision import autocast_dtype
from ctm.machine import ContinuousThoughtMachine, State
from ctm.thoughts import Thoughts


class Stream:
    """Thinks about one frame after the other; what was thought before is carried along.

    >>> stream = ctm.Stream(model)
    >>> for frame in frames:  # (1, …), without end if need be: memory stays the same
    ...     thoughts = stream.observe(frame, ticks=2)

    The numbers are those of `model(frame, ticks=2, state=thoughts.state)` in evaluation mode and without gradients, for
    less time: what depends on weights alone is prepared once, and again only when a weight was changed in place (by an
    optimiser, by `load_state_dict`), replaced or moved. `refresh` is for changes that PyTorch does not count, such as
    through `weight.data`.

    Args:
        model: the machine; it is in evaluation mode while it observes.
        batch: B, how many streams there are side by side.

    Raises:
        ValueError: for a batch of less than one.
    """

    def __init__(self, model: ContinuousThoughtMachine, batch: int = 1) -> None:
        if batch < 1:
            raise ValueError(f"batch = {batch}: expected at least 1")
        self.model, self.batch = model, batch
        self.refresh()
        self.reset()

    @property
    def state(self) -> State:
        """Where it goes on from, without gradients. One that is set has as many samples as the stream."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        if (samples := len(state.ticks)) != self.batch:
            raise ValueError(f"state of {samples} samples: expected {self.batch}, as many as the stream has")
        self._state: State = tree_map(Tensor.detach, state)

    @torch.no_grad()
    def observe(self, frame: Tensor, *others: Tensor, ticks: int = 1) -> Thoughts:
        """Thinks about the next frame.

        Args:
            frame: (B, …) what the machine takes.
            others: what its observer takes besides.
            ticks: how many ticks to think about it.

        Returns:
            the answers of these ticks, (B, ticks, *answer, C), with their certainty; nothing is recorded.

        Raises:
            ValueError: if `ticks` is not positive, for another number of samples than the stream has, or for those of
                a shape that the machine does not take.
        """
        inputs = (*as_tuple(frame), *others)
        if (samples := require_batch(inputs)) != self.batch:
            raise ValueError(f"frame of {samples} samples: expected {self.batch}, as many as the stream has")
        if ticks < 1:
            raise ValueError(f"ticks = {ticks}: expected at least 1")
        shown = self.model.observer.shown(inputs)
        if shown:
            shown = max(shown - int(self._state.ticks.min()), 0)  # waits for the device
        was_training = self.model.training
        if was_training:
            self.model.eval()
        try:
            if self._versions != self._current_versions():
                self.refresh()
            if self._weights is None:
                self._weights = self.model.prepare_weights()
            prepared = self.model.prepare(inputs, weights=self._weights)
            thoughts = self.model.unroll(self._state, prepared, ticks)._replace(shown=shown)
        finally:
            if was_training:
                self.model.train()
        self._state = thoughts.state
        return thoughts

    @torch.no_grad()
    def reset(self, rows: Sequence[int] | Tensor | None = None) -> None:
        """Begins anew, with the learned start state.

        Args:
            rows: which of the streams, by number; by default all.

        Raises:
            ValueError: for one that does not exist.
        """
        start = self.model.start(self.batch)
        if rows is None:
            self._state = tree_map(torch.clone, start)  # the start refers to weights, which may change
            return
        rows = torch.as_tensor(rows, dtype=torch.int64, device=start.ticks.device)
        if ((rows < 0) | (rows >= self.batch)).any():
            raise ValueError(f"rows = {rows.tolist()}: expected 0 to {self.batch - 1}")

        def write(tensor: Tensor, fresh: Tensor) -> Tensor:
            whole, fresh = (each.expand(self.batch, *each.shape[1:]) for each in (tensor, fresh))  # may share one row
            return whole.index_copy(0, rows, fresh.index_select(0, rows).to(whole))

        self._state = tree_map(write, self._state, start)

    def to(self, device: torch.device | str) -> "Stream":
        """Moves the state; the machine is moved by `model.to(device)`."""
        self._state = tree_map(lambda tensor: tensor.to(device), self._state)
        return self

    def refresh(self) -> None:
        """Forgets what was prepared of the weights, so that the next frame prepares it anew."""
        self._weights: Any = None
        self._versions = self._current_versions()

    def _current_versions(self) -> list[Any]:
        """Which tensors the weights are, how often each was changed in place, and the precision of autocast."""
        return [autocast_dtype(next(self.model.parameters()))] + [
            (weight.data_ptr(), weight._version)
            for module in self.model.modules()
            for weights in (module._parameters, module._buffers)
            for weight in weights.values()
            if weight is not None
        ]
