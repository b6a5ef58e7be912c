"""Scores and speed of a model that stops when it is sure, or thinks to the end."""

import time

import torch
from torch import Tensor

from ctm.analysis.halting import HaltingCurve
from ctm.errors import ConfigError
from ctm.inference.halting import Answers, think_stream
from ctm.inputs import Inputs, count, tree_map
from ctm.kernels.precision import widest
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Split, Task
from ctm.thoughts import Thoughts

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
"""Certainties at which thinking is tried to stop."""


def evaluate_until(
    model: ContinuousThoughtMachine, task: Task, split: Split, until: float | None, batch_size: int = 256
) -> dict[str, float]:
    """Averages the task's scores over answers that are given as soon as they are certain.

    Args:
        model: the machine, on the device to compute on, in evaluation mode.
        task: gives the samples and the scores.
        split: "train", "validation" or "test".
        until: the certainty that is enough, above 0 and at most 1; nothing to think all ticks, in a plain forward pass.
        batch_size: samples that are thought about at a time.

    Returns:
        every score of `task.scores` that is not by tick; "ticks", how many a sample took; "samples_per_second".

    Raises:
        ConfigError: if the task's answers are emitted over ticks, so that no certainty ends a thought.
        ValueError: if `until` is out of its range.
    """
    _require_answers_at_ticks(task)
    device = next(model.parameters()).device
    batches = list(task.evaluation(split, batch_size))
    inputs = [tree_map(lambda tensor: tensor.to(device), batch.inputs) for batch in batches]
    targets = torch.cat([batch.targets for batch in batches])
    _answer(model, inputs[:1], until, batch_size)  # the first time is slower
    start = time.perf_counter()
    found = _answer(model, inputs, until, batch_size)
    mean_ticks = float(found.ticks.mean(dtype=widest(device)))  # waits for the device
    seconds = time.perf_counter() - start
    thoughts = Thoughts(found.answers.unsqueeze(1), found.certainty.unsqueeze(1), None)  # of a single tick
    scores = task.scores(thoughts, targets.to(found.index.device)[found.index])
    averages = {name: float(score.mean(dtype=widest(device))) for name, score in scores.items() if score.dim() == 1}
    return averages | {"ticks": mean_ticks, "samples_per_second": len(targets) / seconds}


@torch.no_grad()
def certainties(model: ContinuousThoughtMachine, task: Task, split: Split, batch_size: int = 256) -> Tensor:
    """How certain the model is of every sample at every tick, (N, T): what `threshold_for_budget` asks for.

    Raises:
        ConfigError: as `evaluate_until`.
    """
    _require_answers_at_ticks(task)
    device = next(model.parameters()).device
    batches = (tree_map(lambda tensor: tensor.to(device), batch.inputs) for batch in task.evaluation(split, batch_size))
    return torch.cat([model(inputs).due.certainty for inputs in batches])


def halting_curve(
    model: ContinuousThoughtMachine,
    task: Task,
    split: Split = "test",
    batch_size: int = 256,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> HaltingCurve:
    """Tries certainties to stop at, on all samples of a split.

    Args:
        model: as for `evaluate_until`, like the other arguments.
        thresholds: the certainties.
    """
    tried = [evaluate_until(model, task, split, until, batch_size) for until in (*thresholds, None)]
    scores, ticks, speed = (
        [found[name] for found in tried] for name in (task.primary_metric, "ticks", "samples_per_second")
    )
    full = scores.pop(), ticks.pop(), speed.pop()
    return HaltingCurve(task.primary_metric, thresholds, scores, ticks, speed, full)


def _require_answers_at_ticks(task: Task) -> None:
    if task.emits:
        raise ConfigError(
            f"the task {task.config.kind!r} emits its answer over ticks, so no certainty says when to stop; "
            "evaluate it to the end: the score 'ticks' is how many it took until all was said"
        )


@torch.no_grad()
def _answer(model: ContinuousThoughtMachine, batches: list[Inputs], until: float | None, batch_size: int) -> Answers:
    if until is not None:
        found = list(think_stream(model, batches, until, batch=batch_size))
    else:
        found, seen = [], 0
        for inputs in batches:
            thoughts = model(inputs).due
            index = torch.arange(seen, seen + count(inputs), device=thoughts.logits.device)
            ticks = torch.full_like(index, thoughts.ticks)
            found.append(Answers(thoughts.at("most_certain"), thoughts.certainty.amax(1), ticks, index))
            seen += count(inputs)
    return Answers(*map(torch.cat, zip(*found, strict=True)))
