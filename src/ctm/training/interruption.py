"""Stopping politely when asked to by a signal."""

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch

from ctm.training.devices import reduced

if TYPE_CHECKING:
    from lightning.fabric import Fabric


SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR2") if hasattr(signal, name))


class Interruption:
    """Notes SIGINT, SIGTERM and SIGUSR2, by which clusters say that time is up, while it is open, instead of dying of
    them; a second SIGINT stops at once.

    Attributes:
        signal: the number of the signal that came, if one did.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # handlers cannot be set elsewhere
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def reduced_signal(self, fabric: "Fabric", reduce: bool) -> int | None:
        """The signal on which all processes stop after this iteration, if there is one.

        Args:
            fabric: launched.
            reduce: ask all processes, which takes time; without it only a single process stops.
        """
        if fabric.world_size == 1:
            return self.signal
        mine = torch.tensor(self.signal or 0, device=fabric.device)
        return (int(reduced(fabric, mine, "max")) or None) if reduce else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
