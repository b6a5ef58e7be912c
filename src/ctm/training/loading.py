"""Batches, read ahead by worker processes: PyTorch's loader over the numbers of the batches."""

import signal
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from ctm.errors import CTMError
from ctm.tasks.base import Batch, Rows, Split, Task
from ctm.tasks.checks import check_batch
from ctm.training.config import TrainingConfig

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR2") if hasattr(signal, name)]


def training_batches(
    task: Task, config: TrainingConfig, start: int, rank: int = 0, processes: int = 1, pin: bool = False
) -> Iterator[Batch]:
    """The part of one process in the training batches, in order.

    Each is a function of the seed and its iteration, so that going on at any iteration is exact, with any number of
    workers.

    Args:
        task: gives them.
        config: how large batches are, how many, and how many workers read them ahead.
        start: the iteration to begin with.
        rank: of the process.
        processes: that share a batch.
        pin: put them where a GPU can copy them from while it computes.

    Raises:
        TaskError: if the task gives what is no batch.
        DataError: if data are missing or broken.
    """
    task.open_data()
    size = config.batch_size // processes
    rows = Rows(config.seed, start, config.batch_size, rank * size, (rank + 1) * size)
    return _read(_TrainingParts(task, rows), range(start, config.iterations), config.workers, pin)


def evaluation_batches(
    task: Task, split: Split, size: int, workers: int = 0, rank: int = 0, processes: int = 1
) -> Iterator[tuple[Batch, bool]]:
    """The evaluation batches that one process looks at, and whether they are its own.

    Its own are every `processes`-th. The first one is for all, since it tells which scores there are.

    Args:
        task: gives them.
        split: which samples.
        size: samples of a batch, at most.
        workers: that read ahead, where the task gives batches by their number.
        rank: of the process.
        processes: that share the split.

    Raises:
        TaskError: if the task gives what is no batch.
        DataError: if data are missing or broken.
    """
    batches = task.evaluation(split, size)
    if isinstance(batches, Sequence):
        numbers = sorted({0, *range(rank, len(batches), processes)}) if batches else []
        numbered: Iterable[tuple[int, Batch]] = zip(numbers, _read(_Batches(batches), numbers, workers), strict=True)
    else:
        numbered = enumerate(batches)
    for number, batch in numbered:
        mine = number % processes == rank
        if mine or number == 0:
            check_batch(task, batch, f"evaluation({split!r})")
            yield batch, mine


class _TrainingParts(Dataset):
    """By iteration, the rows of a process."""

    def __init__(self, task: Task, rows: Rows) -> None:
        self.task, self.rows = task, rows

    def __getitem__(self, index: int) -> Batch | CTMError:
        rows = self.rows._replace(iteration=index)
        try:
            part = self.task.part(rows)
            check_batch(self.task, part, "part", rows.stop - rows.start)
        except CTMError as error:  # given back, since the loader would wrap it into a traceback
            return error
        return part


class _Batches(Dataset):
    """By number, evaluation batches."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self.batches = batches

    def __getitem__(self, index: int) -> Batch | CTMError:
        try:
            return self.batches[index]
        except CTMError as error:
            return error


def _read(batches: Dataset, numbers: Sequence[int], workers: int, pin: bool = False) -> Iterator[Any]:
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        collate_fn=_unchanged,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_the_parent,
        generator=torch.Generator(),  # of its own, so that it does not draw from the global one
    )
    for batch in loader:
        if isinstance(batch, CTMError):
            raise batch
        yield batch


def _unchanged(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_parent(worker: int) -> None:
    """Lets a process that was asked to stop finish its iteration: it needs the batch that a worker is reading."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
