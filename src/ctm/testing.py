"""A look at a task of one's own, for its tests: what training and evaluation will ask of it, at once."""

import contextlib
import itertools
from collections.abc import Generator
from typing import Any, get_args

import torch
from torch import Tensor

from ctm.errors import CTMError
from ctm.inputs import as_tuple
from ctm.tasks.base import Batch, Split, Task, TaskConfig
from ctm.tasks.checks import TaskError, check_batch, check_loss, check_scores
from ctm.thoughts import Thoughts


def check_task(task: Task | TaskConfig, size: int = 8) -> None:
    """Checks what a task returns: batches, targets, loss and scores, for thoughts of the right shape.

    >>> def test_my_task():
    ...     ctm.testing.check_task(MyTask.Config())

    Args:
        task: the task, or its configuration.
        size: samples of a batch; of so many, those of two iterations are not all the same.

    Raises:
        TaskError: if it returns what cannot be used, or something else for the same seed and iteration.
        DataError: if its data are missing.
    """
    task = task.build() if isinstance(task, TaskConfig) else task
    shape = task.config.answer_shape
    if not (isinstance(shape, tuple) and shape and all(isinstance(length, int) and length >= 1 for length in shape)):
        raise _error(task, f"config.answer_shape is {shape!r}", "(*answer, C), a tuple of whole numbers of at least 1")
    batch = _check_batches(task, size)
    _check_answers(task, batch, "batch", learns=True)
    splits = {split: _check_evaluation(task, split, size) for split in get_args(Split)}
    for (first, some), (second, others) in itertools.combinations(splits.items(), 2):
        if _same(some, others):
            found = f"evaluation({first!r}) and evaluation({second!r}) have the same samples"
            raise _error(task, found, "samples of its own for each split")
    for split, samples in splits.items():
        if _kinds(samples) != _kinds(batch):
            found = f"evaluation({split!r}) has {_kinds(samples)} and batch {_kinds(batch)}"
            raise _error(task, found, "tensors of the same types and numbers of dimensions")


def _check_batches(task: Task, size: int) -> Batch:
    """One training batch, after a look at whether seed and iteration make it."""
    with _told(task, "batch"):
        batch, again, next_one, other = (task.batch(*key, size) for key in ((0, 0), (0, 0), (0, 1), (1, 0)))
    for found in (batch, again, next_one, other):
        check_batch(task, found, "batch", size)
    source = "ctm.randomness.generator(seed, 'batch', iteration)"
    if not _same(batch, again):
        found = "batch(seed=0, iteration=0) is another one when asked for again"
        raise _error(task, found, f"a function of seed and iteration: draw from {source}")
    for argument, found in (("iteration", next_one), ("seed", other)):
        if _same(batch, found):
            raise _error(task, f"batch is the same for another {argument}", f"another one: draw from {source}")
    return batch


def _check_evaluation(task: Task, split: Split, size: int) -> Batch:
    """The first evaluation batch of a split, after a look at whether it is the same every time."""
    method = f"evaluation({split!r})"
    with _told(task, method):
        samples, again = (next(iter(task.evaluation(split, size)), None) for _ in range(2))
    if samples is None or again is None:
        raise _error(task, f"{method} has no samples", "at least one")
    check_batch(task, samples, method)
    if len(samples.targets) > size:
        raise _error(task, f"{method} has a batch of {len(samples.targets)} samples", f"at most {size}, as asked for")
    if not _same(samples, again):
        raise _error(task, f"{method} has other samples when asked again", "the same ones every time")
    _check_answers(task, samples, method, learns=False)
    return samples


def _check_answers(task: Task, batch: Batch, method: str, learns: bool) -> None:
    """Targets, and loss and scores of thoughts about them."""
    shape, targets = task.config.answer_shape, batch.targets
    for tensor in (*as_tuple(batch.inputs), targets):
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise _error(task, f"{method} has numbers that are not finite", "finite numbers")
    if not targets.is_floating_point():
        _check_classes(task, targets, method)
    source = torch.Generator().manual_seed(0)
    ticks = 2 * targets[0].numel() + 1  # enough for answers that are emitted piece by piece
    logits = torch.randn(len(targets), ticks, *shape, generator=source).requires_grad_()
    thoughts = Thoughts(logits, torch.rand(len(targets), ticks, generator=source), None)
    with _told(task, "loss"):
        loss = task.loss(thoughts, targets)
    check_loss(task, loss, learns=True)
    if not loss.isfinite():
        raise _error(task, f"loss is {loss.item()} for ordinary logits", "a finite number")
    if learns:
        (gradient,) = torch.autograd.grad(loss, logits, allow_unused=True)
        if gradient is None or not gradient.any():
            raise _error(task, "loss has no gradient", "one that leads back to thoughts.logits")
    with _told(task, "scores"), torch.no_grad():
        scores = task.scores(thoughts, targets)
    check_scores(task, scores, len(targets))


def _check_classes(task: Task, targets: Tensor, method: str) -> None:
    """Raises `TaskError` unless targets are classes of the answer."""
    *answer, classes = task.config.answer_shape
    if targets.dtype != torch.int64:
        raise _error(task, f"{method} has targets of {targets.dtype}", "classes as torch.int64, or floating numbers")
    if not task.emits and list(targets.shape[1:]) != answer:
        found = f"{method} has targets {tuple(targets.shape)}"
        raise _error(task, found, f"(B, *answer) = {(len(targets), *answer)}, by config.answer_shape")
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= classes:
        raise _error(task, f"{method} has targets from {low} to {high}", f"0 to {classes - 1}, by config.answer_shape")


@contextlib.contextmanager
def _told(task: Task, method: str) -> Generator[None, None, None]:
    """Says which method failed."""
    try:
        yield
    except CTMError:
        raise
    except Exception as error:
        raise _error(task, f"{method} raised {type(error).__name__}: {error}", "no error") from error


def _error(task: Task, found: str, expected: str) -> TaskError:
    return TaskError(f"{type(task).__name__}.{found}; expected {expected}")


def _same(first: Batch, second: Batch) -> bool:
    tensors = [(*as_tuple(batch.inputs), batch.targets) for batch in (first, second)]
    return all(map(torch.equal, *tensors))


def _kinds(batch: Batch) -> list[Any]:
    """Types and numbers of dimensions of a batch's tensors."""
    return [
        (str(tensor.dtype).removeprefix("torch."), tensor.dim()) for tensor in (*as_tuple(batch.inputs), batch.targets)
    ]
