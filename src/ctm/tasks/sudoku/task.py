"""Sudoku: for every cell the digit that is missing there, or stands there already."""

from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ctm.tasks.base import Batch, Split
from ctm.tasks.puzzles.task import Puzzles, PuzzlesConfig
from ctm.tasks.sudoku.generate import FEWEST, dealt
from ctm.tasks.sudoku.solver import BOXES, Box
from ctm.tasks.sudoku.symmetry import shuffled_grids


class Sudoku(Puzzles):
    """Grids (B, n + 1, n, n), whose first channel is 1 in empty cells; the answer is one of n digits for each cell."""

    @dataclass(frozen=True)
    class Config(PuzzlesConfig, kind="sudoku"):
        """Sudoku, drawn at random or published."""

        size: int = 4
        """n, how many digits: 4 (boxes of 2 x 2), 6 (of 2 rows and 3 columns) or 9 (of 3 x 3)."""
        clues: tuple[int, int] = (4, 8)
        """How many cells of a puzzle that is drawn are filled, at least and at most: the fewer, the harder."""
        train_puzzles: int | None = 5000
        """How many puzzles are learned from; nothing for all of a folder but those to validate on."""

        def validate(self) -> None:
            super().validate()
            self.require(self.size in BOXES, "size", "4, 6 or 9")
            if self.data is None:
                (least, most), fewest, cells = self.clues, FEWEST[self.size], self.size**2
                expected = f"the least and the most, from {fewest}, the fewest that can have one solution, to {cells}"
                self.require(fewest <= least <= most <= cells, "clues", expected)
                for name in ("train_puzzles", "test_puzzles"):
                    self.require(getattr(self, name) is not None, name, "a number, since the puzzles are drawn")

        @property
        def side(self) -> int:
            return self.size

        @property
        def symbols(self) -> str:
            return "." + self.answers

        @property
        def answers(self) -> str:
            return "123456789"[: self.size]

        def build(self) -> "Sudoku":
            return Sudoku(self)

    @property
    def box(self) -> Box:
        return BOXES[self.config.size]

    @cached_property
    def learned(self) -> dict[Split, Batch]:
        return self._drawn if self.config.data is None else super().learned

    @cached_property
    def tested(self) -> Batch:
        return self._drawn["test"] if self.config.data is None else super().tested

    @cached_property
    def _drawn(self) -> dict[Split, Batch]:
        """Puzzles of all splits, equivalent ones never in two of them."""
        config = self.config
        counts = {split: getattr(config, f"{split}_puzzles") for split in get_args(Split)}
        drawn = dealt(self.box, config.clues, counts, config.data_seed)
        return {split: Batch(puzzles.inputs, puzzles.targets - 1) for split, puzzles in drawn.items()}

    def changed(self, puzzles: Int[Tensor, "B 2 n n"], source: Generator) -> Int[Tensor, "B 2 n n"]:
        """Each puzzle changed into one of its equivalents."""
        digits = puzzles + torch.tensor([0, 1]).view(2, 1, 1)  # answers are classes from 0
        return shuffled_grids(digits, self.box, source) - torch.tensor([0, 1]).view(2, 1, 1)

    def question(self, text: str) -> list[int]:
        """The digits of a question: a full stop or a 0 is an empty cell."""
        return super().question(text.replace("0", "."))

    def parse(self, text: str) -> Float[Tensor, "1 C n n"]:
        """A puzzle, digits row by row, with a full stop or a 0 for an empty cell; white space does not count."""
        return super().parse("".join(text.split()))

    def format_answer(self, answer: Tensor) -> str:
        """The digits of an answer as a grid, with a space between boxes."""
        every = self.box.columns
        lines = super().format_answer(answer).split("\n")
        return "\n".join(" ".join(line[i : i + every] for i in range(0, len(line), every)) for line in lines)
