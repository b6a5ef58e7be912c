"""Observations that no tick changes: the features themselves, or a whole map of them in one vector."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor

from ctm.observers.base import Observation, Observer, ObserverConfig, PreparedFeatures, require_samples


class Direct(Observer):
    """Sees all of a vector of features at every tick, without choosing (sorting, control)."""

    @dataclass(frozen=True)
    class Config(ObserverConfig, kind="direct"):
        """The features themselves."""

        uses_query: ClassVar[bool] = False

        def check(self, dimensions: int) -> None:
            self.require(dimensions == 0, "kind", f"an observer of {dimensions}-dimensional features")

        def width(self, channels: int) -> int:
            return channels

        def build(self, channels: int, query: int) -> "Direct":
            return Direct()

    def prepare(self, features: Float[Tensor, "B E"]) -> PreparedFeatures:
        """Nothing to do."""
        return PreparedFeatures(features)

    def step(self, query: None, prepared: PreparedFeatures, ticks: Int[Tensor, " B"]) -> Observation:
        """The same at every tick."""
        require_samples(ticks.shape[0], prepared.features.shape[0])
        return Observation(prepared.features, None)


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

    def prepare(self, features: Float[Tensor, "B C *grid"]) -> PreparedFeatures:
        """Puts all features into one vector.

        Raises:
            ValueError: if the map has another number of cells than configured.
        """
        grid = tuple(features.shape[2:])
        if self.cells is None:
            return PreparedFeatures(features.flatten(2).mean(-1), grid)  # (B, C)
        if math.prod(grid) != self.cells:
            size = " x ".join(map(str, grid))
            raise ValueError(f"features of {size} = {math.prod(grid)} cells: expected {self.cells}, as configured")
        return PreparedFeatures(features.flatten(1), grid)  # (B, C cells)

    def step(self, query: None, prepared: PreparedFeatures, ticks: Int[Tensor, " B"]) -> Observation:
        """The same at every tick."""
        require_samples(ticks.shape[0], prepared.features.shape[0])
        return Observation(prepared.features, None)
