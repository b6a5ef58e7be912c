"""Digits are shown one after the other, then a question about them: which to add and which to subtract."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from ctm.errors import ConfigError, DataError
from ctm.inputs import Inputs, split
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.observers.scheduled import Scheduled
from ctm.randomness import generator
from ctm.tasks.base import Batch, Split, Task, TaskConfig
from ctm.tasks.images.known import MNIST
from ctm.tasks.images.task import Images
from ctm.tasks.qamnist.questions import OPERATORS, draw_questions, parse_question, results
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


class QuestionsAboutDigits(Task):
    """Inputs are pictures (B, n, 1, H, W) and questions (B, m) of m = 2 operations + 1 symbols.

    A symbol is the place of a picture, counted from 0, or an operator, -1 for plus and -2 for minus. The answer is the
    result of all operations modulo 10. How many digits and operations there are is drawn for every batch.
    """

    @dataclass(frozen=True)
    class Config(TaskConfig, kind="qamnist"):
        """Questions about handwritten digits."""

        images: Images.Config = MNIST
        """Where the digits come from."""
        resolution: int = 32
        """Sides of the pictures after resizing."""
        digits: tuple[int, int] = (1, 4)
        """The fewest and the most digits that are shown."""
        operations: tuple[int, int] = (1, 4)
        """The fewest and the most operations that are asked for."""
        evaluation_samples: int = 64
        """Questions of an evaluation for every number of digits and of operations; fixed."""

        def validate(self) -> None:
            for name in ("digits", "operations"):
                least, most = getattr(self, name)
                self.require(1 <= least <= most, name, "the fewest, at least 1, and the most")
            for name in ("resolution", "evaluation_samples"):
                self.require(getattr(self, name) >= 1, name, "at least 1")

        @property
        def answer_shape(self) -> tuple[int, ...]:
            return (10,)

        def check(self, model: MachineConfig, ticks: int) -> None:
            observer = model.observer
            if not isinstance(observer, Scheduled.Config):
                raise ConfigError(
                    f"model.observer = {observer.to_dict()}: the task 'qamnist' needs the kind 'scheduled'"
                )
            for name, needed in (("numbers", self.digits[1]), ("operators", len(OPERATORS))):
                if (has := getattr(observer, name)) < needed:
                    raise ConfigError(f"model.observer.{name} = {has}: expected at least {needed} for these questions")

        def example(self, batch: int) -> Inputs:
            """The longest questions about the most digits."""
            digits, operations = self.digits[1], self.operations[1]
            pictures = torch.zeros(batch, digits, 1, self.resolution, self.resolution)
            return pictures, torch.zeros(batch, 2 * operations + 1, dtype=torch.int64)

        def build(self) -> "QuestionsAboutDigits":
            images = self.images.build()
            if images.learned.classes != tuple(map(str, range(10))):
                raise DataError(f"{self.images.data}: classes {', '.join(images.learned.classes)}: expected 0 to 9")
            return QuestionsAboutDigits(self, images)

    def __init__(self, config: "QuestionsAboutDigits.Config", images: Images) -> None:
        self.config = config
        self.images = images

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        """The training batch of an iteration; over an epoch some pictures come more often than others.

        Its pictures are those that `images` would give as a batch of so many, and how many there are differs.
        """
        source = generator(seed, "questions", iteration)
        ranges = (self.config.digits, self.config.operations)
        digits, operations = (int(torch.randint(least, most + 1, (), generator=source)) for least, most in ranges)
        pictures, labels = self.images.batch(seed, iteration, size * digits)
        return self._ask(pictures, labels.view(size, digits), operations, source)

    def evaluation(self, split: Split, size: int) -> Iterator[Batch]:
        for digits in _most_first(self.config.digits):
            for operations in _most_first(self.config.operations):
                yield from self.questions(split, digits, operations, self.config.evaluation_samples, size)

    def questions(self, which: Split, digits: int, operations: int, count: int, size: int) -> Iterator[Batch]:
        """Fixed questions of a split about so many digits, with so many operations, in batches of at most `size`."""
        source = generator("questions", which, digits, operations)
        chosen = torch.randint(self.images.count(which), (count, digits), generator=source)
        pictures, labels = self.images.chosen(which, chosen.flatten())
        batch = self._ask(pictures, labels.view(count, digits), operations, source)
        for part in split((*batch.inputs, batch.targets), size):
            *inputs, targets = part
            yield Batch(tuple(inputs), targets)

    def page_samples(self, count: int) -> dict[str, Batch]:
        """The longest questions about the most digits, since the page shows the sizes of one question."""
        return {"": next(self.questions("test", self.config.digits[1], self.config.operations[1], count, count))}

    def page_data(self, model: ContinuousThoughtMachine) -> dict[str, Any]:
        """Three test pictures of every digit, to make questions of."""
        pictures, labels = self.images.chosen("test", torch.arange(min(1000, self.images.count("test"))))
        shown = [place for digit in range(10) for place in (labels == digit).nonzero().flatten()[:3].tolist()]
        seen = self._resized(pictures[shown])
        pixels = seen.flatten(1).tolist()
        return {
            "pictures": [
                {"label": label, "pixels": each} for label, each in zip(labels[shown].tolist(), pixels, strict=True)
            ]
        }

    def parse(self, text: str) -> Inputs:
        """A question, such as "1 + 2 - 1", about the first test pictures, or about those whose indices stand before it.

        "3 17 5: 0 + 2" shows the test pictures 3, 17 and 5, and asks for the first plus the third.
        """
        chosen, _, question = text.rpartition(":")
        count = self.images.count("test")
        words = chosen.split()
        if not words:
            symbols = parse_question(question, digits=count)
            indices = list(range(int(symbols.max()) + 1))
        elif all(word.isdecimal() and int(word) < count for word in words):
            indices = [int(word) for word in words]
            symbols = parse_question(question, digits=len(indices))
        else:
            raise DataError(
                f"{chosen.strip()!r}: expected indices of test pictures, 0 to {count - 1}, before the colon"
            )
        pictures = self._resized(self.images.chosen("test", torch.tensor(indices)).inputs)
        return pictures.unsqueeze(0), symbols

    def format_answer(self, answer: Tensor) -> str:
        return str(int(answer))

    def animate(self, thoughts: Thoughts, inputs: Any, target: Tensor | None) -> "Iterator[np.ndarray]":
        from ctm.tasks.qamnist.figures import question_frames

        pictures, question = inputs
        return question_frames(thoughts, pictures[0], question[0], None if target is None else int(target))

    def figures(self, thoughts: Thoughts, samples: Batch) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.qamnist.figures import question_picture

        pictures, question = samples.inputs
        yield "question", question_picture(thoughts, pictures[0], question[0], int(samples.targets[0]))

    def evaluation_figures(self, model: ContinuousThoughtMachine) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.qamnist.figures import accuracy_of_numbers, numbers_picture

        trained = (self.config.digits, self.config.operations)
        yield "generalisation", numbers_picture(accuracy_of_numbers(model, self), trained)

    def _ask(self, pictures: Tensor, labels: Tensor, operations: int, source: Generator) -> Batch:
        """Random questions about pictures (B n, 1, h, w) with labels (B, n)."""
        question = draw_questions(*labels.shape, operations, source)
        pictures = self._resized(pictures).unflatten(0, labels.shape)  # (B, n, 1, H, W)
        return Batch((pictures, question), results(question, labels)[:, -1])

    def _resized(self, pictures: Tensor) -> Tensor:
        size = (self.config.resolution,) * 2
        return F.interpolate(pictures, size, mode="bilinear", align_corners=False, antialias=True)


def _most_first(numbers: tuple[int, int]) -> range:
    least, most = numbers
    return range(most, least - 1, -1)
