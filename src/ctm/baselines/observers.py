"""Seeing a whole map of features at once, without choosing where to look: what feed-forward baselines do."""

import math
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from ctm.observers import Direct, ObserverConfig, Sight


@dataclass(frozen=True)
class WholeConfig(ObserverConfig):
    """Base of the observers that see a whole map."""

    asks: ClassVar[bool] = False

    def check(self, dimensions: int) -> None:
        self.require(dimensions > 0, "kind", "'direct', since the features of this backbone are a single vector")


class Pooled(Direct):
    """Sees the mean of all features."""

    @dataclass(frozen=True)
    class Config(WholeConfig, kind="pooled"):
        """The mean over the grid of features (appendix G.1)."""

        def width(self, channels: int) -> int:
            return channels

        def build(self, channels: int, query: int) -> "Pooled":
            return Pooled()

    def prepare(self, features: Float[Tensor, "B C *grid"]) -> Sight:
        """Takes the mean."""
        return Sight(features.flatten(2).mean(-1), tuple(features.shape[2:]))


class Flattened(Direct):
    """Sees all features, those of each cell of the grid in places of their own."""

    @dataclass(frozen=True)
    class Config(WholeConfig, kind="flattened"):
        """All features of a grid of fixed size (appendix D.4)."""

        cells: int
        """How many cells the grid has, such as 100 for a map of 10 x 10."""

        def validate(self) -> None:
            self.require(self.cells >= 1, "cells", "at least 1")

        def width(self, channels: int) -> int:
            return channels * self.cells

        def build(self, channels: int, query: int) -> "Flattened":
            return Flattened(self.cells)

    def __init__(self, cells: int) -> None:
        super().__init__()
        self.cells = cells

    def prepare(self, features: Float[Tensor, "B C *grid"]) -> Sight:
        """Lines all features up.

        Raises:
            ValueError: if the grid has another number of cells than configured.
        """
        grid = tuple(features.shape[2:])
        if math.prod(grid) != self.cells:
            size = " x ".join(map(str, grid))
            raise ValueError(f"features of {size} = {math.prod(grid)} cells: expected {self.cells}, as configured")
        return Sight(features.flatten(1), grid)
