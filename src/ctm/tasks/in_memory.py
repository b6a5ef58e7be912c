"""Tasks whose samples all fit in memory as two tensors per split."""

from collections.abc import Iterator

from torch import Tensor

from ctm.randomness import shuffled
from ctm.tasks.base import Batch, Split, Task, TaskConfig


class InMemoryTask(Task):
    """Draws training batches without replacement, epoch after epoch, and evaluates on fixed samples.

    Args:
        config: the task.
        train, test: all samples of the splits.
        train_sample: how many training samples, the same ones every time, an evaluation of "train" looks at.
    """

    def __init__(self, config: TaskConfig, train: Batch, test: Batch, train_sample: int = 2000) -> None:
        self.config = config
        self.train, self.test = train, test
        order = shuffled(len(train.inputs), seed=0, start=0, count=min(train_sample, len(train.inputs)))
        self.splits: dict[Split, Batch] = {"train": Batch(*(part[order] for part in train)), "test": test}

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


def holdout(samples: Batch, share: float, seed: int) -> tuple[Batch, Batch]:
    """Splits samples at random into a training part and a test part of `share` of them."""
    order = shuffled(len(samples.inputs), seed, 0, len(samples.inputs))
    tests = round(share * len(order))
    return Batch(*(part[order[tests:]] for part in samples)), Batch(*(part[order[:tests]] for part in samples))
