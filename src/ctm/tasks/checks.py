"""What a task returns, looked at before it fails somewhere deep: tasks are written by users, too."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ctm.errors import RunError
from ctm.inputs import as_tuple


class TaskError(RunError):
    """A task returned what training and evaluation cannot use; the message names its method, and what is expected."""


def check_batch(task: Any, batch: Any, method: str, size: int | None = None) -> None:
    """Raises `TaskError` unless there are as many inputs as targets, at least one, and `size` if that is given."""
    try:
        inputs, targets = batch
        counts = {len(tensor) for tensor in (*as_tuple(inputs), targets)}
    except (TypeError, ValueError):
        raise _error(task, method, f"returned {_shown(batch)}", "inputs and targets, tensors (B, …)") from None
    if len(counts) > 1:
        found = " and ".join(map(str, sorted(counts)))
        raise _error(task, method, f"returned tensors of {found} samples", "as many inputs as targets")
    if counts == {0} or (size is not None and counts != {size}):
        expected = "at least one" if size is None else f"the {size} that were asked for"
        raise _error(task, method, f"returned {counts.pop()} samples", expected)


def check_loss(task: Any, loss: Any, learns: bool) -> None:
    """Raises `TaskError` unless a loss is a single floating number, with a gradient if the model `learns`."""
    if not isinstance(loss, Tensor) or loss.dim() or not loss.is_floating_point():
        raise _error(task, "loss", f"returned {_shown(loss)}", "a floating tensor (), the mean over samples")
    if learns and not loss.requires_grad:
        raise _error(task, "loss", "returned a tensor without a gradient", "one computed from thoughts.logits")


def check_scores(task: Any, scores: Any, samples: int) -> None:
    """Raises `TaskError` unless scores are tensors (B,) or (B, T) by name, with those that training needs."""
    if not isinstance(scores, Mapping):
        raise _error(task, "scores", f"returned {_shown(scores)}", "a dictionary of tensors (B,) or (B, T)")
    for name, score in scores.items():
        if not isinstance(score, Tensor) or score.dim() not in (1, 2) or len(score) != samples:
            expected = f"a tensor ({samples},) or ({samples}, T), a row for each sample"
            raise _error(task, "scores", f"returned {_shown(score)} as {name!r}", expected)
    name = task.primary_metric
    if name not in scores or scores[name].dim() != 1:
        known = ", ".join(name for name, score in scores.items() if score.dim() == 1) or "none"
        raise _error(task, "scores", f"has no {name!r} of shape (B,), but {known}", "the task's primary_metric")


def _error(task: Any, method: str, found: str, expected: str) -> TaskError:
    return TaskError(f"{type(task).__name__}.{method} {found}; expected {expected}")


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    return f"{value!r:.60}"
