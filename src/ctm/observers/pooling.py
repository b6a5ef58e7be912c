"""Seeing a whole map of features at once, without choosing where to look: what feed-forward baselines do."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor

from ctm.observers.attention import FixedObservation, Observation, Observer, ObserverConfig


class Pooling(Observer):
    """Sees the mean of all features, or each of them in a place of its own."""

    @dataclass(frozen=True)
    class Config(ObserverConfig, kind="pooling"):
        """A whole map of features."""

        cells: int | None = None
        """How many cells the map has, such as 100 for 10 x 10, to see each of them (appendix D.4); nothing to see
        their mean (appendix G.1)."""

        uses_query: ClassVar[bool] = False

        def validate(self) -> None:
            self.require(self.cells is None or self.cells >= 1, "cells", "at least 1, or nothing")

        def check(self, dimensions: int) -> None:
            self.require(dimensions > 0, "kind", "'direct', since the features of this backbone are a single vector")

        def width(self, channels: int) -> int:
            return channels * (self.cells or 1)

        def build(self, channels: int, query: int) -> "Pooling":
            return Pooling(self.cells)

    def __init__(self, cells: int | None) -> None:
        super().__init__()
        self.cells = cells

    def prepare(self, features: Float[Tensor, "B C *grid"]) -> FixedObservation:
        """Puts all features into one vector.

        Raises:
            ValueError: if the map has another number of cells than configured.
        """
        grid = tuple(features.shape[2:])
        if self.cells is None:
            return FixedObservation(features.flatten(2).mean(-1), grid)  # (B, C)
        if math.prod(grid) != self.cells:
            size = " x ".join(map(str, grid))
            raise ValueError(f"features of {size} = {math.prod(grid)} cells: expected {self.cells}, as configured")
        return FixedObservation(features.flatten(1), grid)  # (B, C cells)

    def step(self, query: None, prepared: FixedObservation, ticks: Int[Tensor, " B"]) -> Observation:
        """The same at every tick."""
        return Observation(prepared.features, None)
