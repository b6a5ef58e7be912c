"""Tasks whose samples are drawn on the fly, as many as are needed."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Generator

from ctm.randomness import generator
from ctm.tasks.base import Batch, Split, Task, TaskConfig


@dataclass(frozen=True)
class GeneratedTaskConfig(TaskConfig):
    """Base of the tasks that draw their samples."""

    evaluation_samples: int = 1000
    """How many samples an evaluation looks at; fixed, and never part of the training stream."""

    def validate(self) -> None:
        self.require(self.evaluation_samples >= 1, "evaluation_samples", "at least 1")


class GeneratedTask(Task):
    """Draws new samples for each iteration, and always the same ones for evaluation."""

    def __init__(self, config: GeneratedTaskConfig) -> None:
        self.config = config

    @abstractmethod
    def draw(self, size: int, source: Generator) -> Batch:
        """Random samples and their answers."""

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        return self.draw(size, generator(seed, "batch", iteration))

    def evaluation(self, split: Split, size: int) -> Iterator[Batch]:
        samples = self.draw(self.config.evaluation_samples, generator(self.config.kind, split))
        for inputs, targets in zip(*(part.split(size) for part in samples), strict=True):
            yield Batch(inputs, targets)
