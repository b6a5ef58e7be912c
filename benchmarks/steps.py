"""What is timed: the forward pass and the training step of a machine and of its oracle, alternately."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple, TypeVar

import torch
from cases import Case

import ctm
from ctm.thoughts import Thoughts
from ctm.transforms.recomputation import recompute

Key = TypeVar("Key", bound=Hashable)
MACHINES = ("oracle", "ours")
RECOMPUTING = "recomputing"
PRECISIONS = ("fp32", "bf16")


class Variant(NamedTuple):
    """One of the things that are compared."""

    machine: str
    """One of `MACHINES`, or `RECOMPUTING`: ours with `training.recompute`."""
    precision: str
    """One of `PRECISIONS`; bf16 is autocast around the forward pass."""


class Bench:
    """A machine, its oracle on the same parameters, and a batch for both.

    Args:
        case: what to build.
        device: where.
    """

    def __init__(self, case: Case, device: str) -> None:
        self.device = device
        self.model, again = case.model(), case.model()
        if device != "cpu":  # tensors without values, as counting uses, cannot be moved, not even to where they are
            self.model.to(device), again.to(device)
        recompute(again)
        self.machines = {"oracle": ctm.literal.from_model(self.model), "ours": self.model, RECOMPUTING: again}
        self.inputs, self.targets = case.inputs().to(device), case.targets().to(device)

    def forward(self, variant: Variant) -> None:
        """Thinks as in use, without gradients."""
        self.machines[variant.machine].eval()
        with torch.no_grad():
            self.think(variant)

    def step(self, variant: Variant) -> None:
        """Thinks, and computes the loss and the gradients; no optimiser."""
        self.machines[variant.machine].train().zero_grad()
        thoughts = self.think(variant)
        losses = ctm.cross_entropy_over_ticks(thoughts.logits, self.targets)
        ctm.two_tick_loss(losses, thoughts.certainty).backward()

    def think(self, variant: Variant) -> Thoughts:
        """The forward pass, in the precision of the variant."""
        with torch.autocast(self.device, torch.bfloat16, enabled=variant.precision == "bf16"):
            return self.machines[variant.machine](self.inputs)


def seconds(work: Callable[[], object], device: str) -> float:
    """How long something takes."""
    finish = torch.cuda.synchronize if device == "cuda" else lambda: None
    finish()
    start = time.perf_counter()
    work()
    finish()
    return time.perf_counter() - start


def alternate(works: Mapping[Key, Callable[[], object]], repeats: int, device: str) -> dict[Key, list[float]]:
    """Times several things in turns, so that a busy or throttled machine is so for all of them.

    Returns:
        the seconds of every repeat; a first round warms up and does not count.
    """
    taken: dict[Key, list[float]] = {key: [] for key in works}
    for turn in range(repeats + 1):
        for key, work in works.items():
            duration = seconds(work, device)
            if turn:
                taken[key].append(duration)
    return taken


def summary(taken: list[float]) -> dict[str, float]:
    """Median and spread of the repeats, in seconds."""
    return {"median": statistics.median(taken), "lowest": min(taken), "highest": max(taken)}
