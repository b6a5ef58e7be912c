"""Mazes of symbols, as others publish them: for every cell, whether it lies on the shortest path."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ctm.tasks.puzzles.task import Puzzles, PuzzlesConfig


class MazePaths(Puzzles):
    """Mazes (B, 4, S, S) of `#` for a wall, a space, S for the start and G for the goal.

    The answer repeats them, with `o` along the shortest path.
    """

    @dataclass(frozen=True)
    class Config(PuzzlesConfig, kind="maze_paths"):
        """Published mazes of symbols."""

        size: int = 30
        """S, cells of a side."""

        def validate(self) -> None:
            super().validate()
            self.require(self.size >= 2, "size", "at least 2")

        @property
        def side(self) -> int:
            return self.size

        @property
        def symbols(self) -> str:
            return "# SG"

        @property
        def answers(self) -> str:
            return "# SGo"

        def build(self) -> "MazePaths":
            return MazePaths(self)

    def changed(self, puzzles: Int[Tensor, "B 2 S S"], source: Generator) -> Int[Tensor, "B 2 S S"]:
        """Each maze turned and mirrored in one of the eight ways."""
        transposed, sideways, upside_down = (
            (torch.rand(3, len(puzzles), generator=source) < 0.5).view(3, -1, 1, 1, 1).unbind()
        )
        puzzles = torch.where(transposed, puzzles.mT, puzzles)
        puzzles = torch.where(sideways, puzzles.flip(3), puzzles)
        return torch.where(upside_down, puzzles.flip(2), puzzles)

    def parse(self, text: str) -> Float[Tensor, "1 4 S S"]:
        """A maze, a line for each row; a full stop may stand for a space."""
        return super().parse(text.replace(".", " "))
