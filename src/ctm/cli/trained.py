"""What the commands about a trained run have in common: which of its models, and where it computes."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cyclopts import Parameter

Which = Literal["best", "last"]


@Parameter(name="*")
@dataclass(frozen=True)
class ComputeOptions:
    """Where and how a command computes; results that are drawn come back to the CPU."""

    device: str = "cpu"
    """cpu, cuda, cuda:1 (the second GPU), mps (Apple's), or auto for a GPU if there is one."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of the model, as in training; fp16 needs a GPU."""

    def start(self) -> tuple[Any, AbstractContextManager]:
        """The device, and what to compute inside of.

        Raises:
            ConfigError: if the device is not there, or cannot compute so.
        """
        from ctm.training.devices import autocast, find_device

        device = find_device(self.device)
        return device, autocast(device, self.precision)


DEFAULT = ComputeOptions()
"""On the CPU, so that the numbers are the same everywhere."""


def open_run(source: Path, ticks: int | None = None) -> Any:
    """A run, or a saved model with its task, whose model will think for so many ticks; by default as in training."""
    from ctm.hub import open_trained

    opened = open_trained(source)
    return opened if ticks is None else opened.thinking(ticks)
