"""Tasks whose samples all fit in memory as two tensors per split."""

from collections.abc import Iterator

from torch import Tensor

from ctm.errors import DataError
from ctm.randomness import shuffled
from ctm.tasks.base import Batch, Split, Task, TaskConfig


class InMemoryTask(Task):
    """Draws training batches without replacement, epoch after epoch, and evaluates on fixed samples.

    Args:
        config: the task.
        train: all samples of the splits.
        validation: all samples of the splits.
        test: all samples of the splits.
        train_sample: how many training samples, the same ones every time, an evaluation of "train" looks at.

    Raises:
        DataError: if a split is empty.
    """

    def __init__(
        self, config: TaskConfig, train: Batch, validation: Batch, test: Batch, train_sample: int = 2000
    ) -> None:
        counts = [len(split.targets) for split in (train, validation, test)]
        if not all(counts):
            raise DataError(
                f"{counts[0]} samples to train on, {counts[1]} to validate and {counts[2]} to test on: expected at "
                "least one of each; choose other shares"
            )
        self.config = config
        self.train, self.test = train, test
        order = shuffled(len(train.inputs), seed=0, start=0, count=min(train_sample, len(train.inputs)))
        sample = Batch(*(part[order] for part in train))
        self.splits: dict[Split, Batch] = {"train": sample, "validation": validation, "test": test}

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        stored, targets = self.stored(seed, iteration, size)
        return Batch(self.inputs(stored), targets)

    def stored(self, seed: int, iteration: int, size: int) -> Batch:
        """The training samples of an iteration, as they are stored."""
        chosen = shuffled(len(self.train.inputs), seed, iteration * size, size)
        return Batch(*(part[chosen] for part in self.train))

    def evaluation(self, split: Split, size: int) -> Iterator[Batch]:
        samples = self.splits[split]
        for inputs, targets in zip(*(part.split(size) for part in samples), strict=True):
            yield Batch(self.inputs(inputs), targets)

    def inputs(self, stored: Tensor) -> Tensor:
        """What the model sees of stored samples (B, …): by default the same."""
        return stored
