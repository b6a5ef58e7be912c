"""Learning rate schedules: pure functions of the iteration."""

import math
from abc import abstractmethod
from dataclasses import dataclass

from ctm.config import Config


class Schedule(Config):
    """Base of the learning rate schedules."""

    @abstractmethod
    def learning_rate(self, iteration: int, iterations: int, peak: float) -> float:
        """The learning rate of a step.

        Args:
            iteration: which step, counted from 0.
            iterations: how many steps the run has.
            peak: the optimiser's learning rate, reached at the end of the warm-up.
        """


@dataclass(frozen=True)
class Cosine(Schedule, kind="cosine"):
    """A linear warm-up from nothing, then half a cosine down to `final` (section 3.6)."""

    warmup: int = 0
    """Steps until the peak; the last of them is at the peak, and the first at 0. None with 0."""
    final: float = 1e-7
    """Learning rate after the last step."""

    def validate(self) -> None:
        self.require(self.warmup >= 0, "warmup", "0 or more")
        self.require(self.final >= 0, "final", "0 or more")

    def learning_rate(self, iteration: int, iterations: int, peak: float) -> float:
        if iteration < self.warmup:
            return peak * (iteration / (self.warmup - 1) if self.warmup > 1 else 1.0)
        progress = (iteration - self.warmup) / max(1, iterations - self.warmup)
        return self.final + (peak - self.final) * (1 + math.cos(math.pi * min(1.0, progress))) / 2


@dataclass(frozen=True)
class LinearDecay(Schedule, kind="linear"):
    """From the peak down to nothing, in a line (appendix G.6)."""

    def learning_rate(self, iteration: int, iterations: int, peak: float) -> float:
        return peak * (1 - iteration / iterations)


@dataclass(frozen=True)
class Multistep(Schedule, kind="multistep"):
    """A linear warm-up from nothing, then the peak, multiplied by `gamma` at every milestone."""

    warmup: int = 0
    """Steps until the peak; the first of them is at 0. None with 0."""
    milestones: tuple[int, ...] = ()
    """Steps at which the learning rate drops, counted from the start of the run; without any it stays."""
    gamma: float = 0.1
    """Factor of a drop."""

    def validate(self) -> None:
        self.require(self.warmup >= 0, "warmup", "0 or more")
        growing = list(self.milestones) == sorted(set(self.milestones))
        self.require(growing, "milestones", "steps in growing order")
        self.require(self.gamma > 0, "gamma", "above 0")

    def learning_rate(self, iteration: int, iterations: int, peak: float) -> float:
        if iteration < self.warmup:
            return peak * iteration / self.warmup
        return peak * self.gamma ** sum(milestone <= iteration for milestone in self.milestones)
