"""Puzzles on a grid: a symbol in every cell of the question, and one in every cell of the answer."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int, Integer
from torch import Generator, Tensor
from torch.nn import functional as F

from ctm.errors import ConfigError
from ctm.machine import MachineConfig
from ctm.randomness import generator, shuffled
from ctm.tasks.base import Batch, Split, Task, TaskConfig
from ctm.tasks.puzzles.published import check_folder, encoded, read_test, read_train
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

TRAIN_SAMPLE = 2000
"""How many training puzzles an evaluation of "train" looks at."""


@dataclass(frozen=True)
class PuzzlesConfig(TaskConfig):
    """Base of the puzzles on square grids."""

    data: str | None = None
    """Folder of published puzzles, with train.csv and test.csv in it."""
    train_puzzles: int | None = 1000
    """How many puzzles are learned from; nothing for all of a folder but those to validate on."""
    validation_puzzles: int = 1000
    """How many puzzles choose the best checkpoint; of a folder, they are training puzzles that are held out, at most a
    tenth."""
    test_puzzles: int | None = 1000
    """How many puzzles there are to be tested on; nothing for all of a folder, else the first of it."""
    data_seed: int = 0
    """Which puzzles are drawn, or which of a folder are learned from."""
    augment: bool = True
    """Change training puzzles at random into equivalent ones."""

    def validate(self) -> None:
        for name in ("train_puzzles", "validation_puzzles", "test_puzzles"):
            value = getattr(self, name)
            self.require(value is None or value >= 1, name, "at least 1")

    @property
    @abstractmethod
    def side(self) -> int:
        """Rows of the grid, and columns."""

    @property
    @abstractmethod
    def symbols(self) -> str:
        """What can stand in a cell of a question, in the order of the channels that the model sees."""

    @property
    @abstractmethod
    def answers(self) -> str:
        """What can stand in a cell of an answer, in the order of the classes."""

    @property
    def answer_shape(self) -> tuple[int, ...]:
        return (self.side**2, len(self.answers))

    def example(self, batch: int) -> Float[Tensor, "B C H W"]:
        return torch.zeros(batch, len(self.symbols), self.side, self.side)

    def fitted(self, model: MachineConfig) -> tuple["PuzzlesConfig", MachineConfig]:
        """The same, with the whole path of the data, which have to be there."""
        if self.data is None:
            return self, model
        folder = Path(self.data).expanduser().absolute()
        check_folder(folder)
        return self.replace(data=str(folder)), model


class Puzzles(Task):
    """Grids (B, C, H, W) with a channel for each symbol, 1 where it stands and 0 elsewhere.

    The answer is a class for each of the H W cells, row by row.
    """

    primary_metric = "whole_accuracy"

    def __init__(self, config: PuzzlesConfig) -> None:
        self.config = config

    @abstractmethod
    def changed(self, puzzles: Int[Tensor, "B 2 H W"], source: Generator) -> Int[Tensor, "B 2 H W"]:
        """Questions, and classes of answers, changed at random into equivalent puzzles."""

    @property
    def box(self) -> tuple[int, int]:
        """Rows and columns between the lines that pictures draw into the grid: by default none but around it."""
        return self.config.side, self.config.side

    @cached_property
    def learned(self) -> dict[Split, Batch]:
        """The puzzles to learn from and to validate on, (N, H W) uint8 each; found when they are needed.

        Raises:
            DataError: if they are missing or broken.
        """
        config = self.config
        limits = config.train_puzzles, config.validation_puzzles, config.data_seed
        return read_train(self._folder, (self.question, self.solution), *limits)

    @cached_property
    def tested(self) -> Batch:
        """The same of those to be tested on."""
        return read_test(self._folder, (self.question, self.solution), self.config.test_puzzles)

    @property
    def _folder(self) -> Path:
        if self.config.data is None:
            raise ConfigError("task.data: missing; name a folder with train.csv and test.csv, as in --task.data FOLDER")
        return Path(self.config.data)

    def question(self, text: str) -> list[int]:
        """The numbers of the symbols of a question.

        Raises:
            DataError: if there are too many or too few, or other ones.
        """
        return encoded(text, self.config.symbols, self.config.side**2)

    def solution(self, text: str) -> list[int]:
        """The classes of an answer; errors as of `question`."""
        return encoded(text, self.config.answers, self.config.side**2)

    def open_data(self) -> None:
        _ = self.learned

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        puzzles = self.learned["train"]
        chosen = shuffled(len(puzzles.targets), seed, iteration * size, size)
        grids = torch.stack([part[chosen] for part in puzzles], dim=1).long()  # (B, 2, H W)
        if self.config.augment:
            side = self.config.side
            grids = self.changed(grids.unflatten(2, (side, side)), generator(seed, "symmetry", iteration)).flatten(2)
        return Batch(self.seen(grids[:, 0]), grids[:, 1])

    def evaluation(self, split: Split, size: int) -> Iterator[Batch]:
        puzzles = self.tested if split == "test" else self.learned[split]
        if split == "train":
            count = len(puzzles.targets)
            some = shuffled(count, seed=0, start=0, count=min(TRAIN_SAMPLE, count))
            puzzles = Batch(*(part[some] for part in puzzles))
        for questions, answers in zip(*(part.split(size) for part in puzzles), strict=True):
            yield Batch(self.seen(questions), answers.long())

    def seen(self, questions: Integer[Tensor, "B cells"]) -> Float[Tensor, "B C H W"]:
        """What the model takes of the numbers of symbols."""
        channels = F.one_hot(questions.long(), len(self.config.symbols)).mT  # (B, C, H W)
        return channels.unflatten(2, (self.config.side, self.config.side)).float()

    def parse(self, text: str) -> Float[Tensor, "1 C H W"]:
        """The symbols of a question, row by row; line breaks do not count."""
        return self.seen(torch.tensor([self.question("".join(text.splitlines()))]))

    def format_answer(self, answer: Tensor) -> str:
        """The symbols of an answer, a line for each row."""
        side = self.config.side
        symbols = "".join(self.config.answers[cell] for cell in answer.flatten().tolist())
        return "".join("\n" + symbols[start : start + side] for start in range(0, side**2, side))

    def animate(self, thoughts: Thoughts, inputs: Tensor, target: Tensor | None) -> "Iterator[np.ndarray]":
        from ctm.tasks.puzzles.figures import puzzle_frames

        return puzzle_frames(thoughts, self.text(inputs[0]), self.config.answers, target, self.box)

    def figures(self, thoughts: Thoughts, samples: Batch) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.puzzles.figures import puzzle_picture

        question, target = self.text(samples.inputs[0]), samples.targets[0]
        yield "puzzle", puzzle_picture(thoughts, question, self.config.answers, target, self.box)

    def text(self, question: Float[Tensor, "C H W"]) -> list[str]:
        """The symbols of a question that the model sees, a text for each row."""
        return ["".join(self.config.symbols[cell] for cell in row) for row in question.argmax(0).tolist()]
