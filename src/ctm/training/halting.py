"""Scores and speed of a model that stops when it is sure, or thinks to the end."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ctm.analysis.halting import HaltingCurve
from ctm.errors import ConfigError
from ctm.inference.halting import Answers, think, think_stream
from ctm.inference.samples import Sampling
from ctm.inference.thresholds import at_stop, stopping_tick
from ctm.inputs import Inputs, count, slice_batch, tree_map
from ctm.kernels.precision import widest
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Batch, Split, Task
from ctm.thoughts import Thoughts
from ctm.training.one_pass import one_pass

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
"""Certainties at which thinking is tried to stop."""
TIMED = 512
"""How many samples are thought about to find out the speed at each of them."""


def evaluate_until(
    model: ContinuousThoughtMachine,
    task: Task,
    split: Split,
    until: float | None,
    batch_size: int = 256,
    samples: int | None = None,
    sampling: Sampling | None = None,
) -> dict[str, float]:
    """Averages the task's scores over answers that are given as soon as they are certain.

    Args:
        model: the machine, on the device to compute on, in evaluation mode.
        task: gives the samples and the scores.
        split: "train", "validation" or "test".
        until: the certainty that is enough, above 0 and at most 1; nothing to think all ticks, in a plain forward pass.
        batch_size: samples that are thought about at a time.
        samples: only so many of them, the first ones.
        sampling: to think several times about each, and how; by default once.

    Returns:
        every score of `task.scores` that is not by tick; "ticks", how many a sample took; "samples_per_second".

    Raises:
        ConfigError: if the task's answers are emitted over ticks, so that no certainty ends a thought.
        ValueError: if `until` is out of its range.
    """
    require_answers_at_ticks(task)
    device = next(model.parameters()).device
    batches = list(_first(task.evaluation(split, batch_size), samples))
    inputs = [tree_map(lambda tensor: tensor.to(device), batch.inputs) for batch in batches]
    targets = torch.cat([batch.targets for batch in batches])
    answer(model, inputs[:1], until, batch_size, sampling)  # the first time is slower
    start = time.perf_counter()
    found = answer(model, inputs, until, batch_size, sampling)
    mean_ticks = float(found.ticks.mean(dtype=widest(device)))  # waits for the device
    seconds = time.perf_counter() - start
    thoughts = Thoughts(found.answers.unsqueeze(1), found.certainty.unsqueeze(1), None)  # of a single tick
    scores = task.scores(thoughts, targets.to(found.index.device)[found.index])
    averages = {name: float(score.mean(dtype=widest(device))) for name, score in scores.items() if score.dim() == 1}
    return averages | {"ticks": mean_ticks, "samples_per_second": len(targets) / seconds}


class ScoredTicks(NamedTuple):
    """What stopping at each tick would give, with the most certain answer so far, as `ctm.think` answers."""

    certainty: Tensor  # (N, T) of the tick itself
    scores: Tensor  # (N, T) by the primary metric


def score_ticks(model: ContinuousThoughtMachine, task: Task, split: Split, batch_size: int = 256) -> ScoredTicks:
    """Certainty and score of every sample at every tick: what `threshold_for_budget` and `threshold_for_error` ask for.

    Raises:
        ConfigError: as `evaluate_until`.
    """
    require_answers_at_ticks(task)
    found = [score_ticks_of_batch(task, *batch) for batch in one_pass(model, task, split, batch_size)]
    return ScoredTicks(*map(torch.cat, zip(*found, strict=True)))


def score_ticks_of_batch(task: Task, thoughts: Thoughts, targets: Tensor) -> ScoredTicks:
    """The same of thoughts about a batch, whose targets are (B, *answer)."""
    answers, highest = thoughts.answers("most_certain"), thoughts.certainty.cummax(1).values
    of_ticks = [
        Thoughts(answers[:, tick : tick + 1], highest[:, tick : tick + 1], None) for tick in range(thoughts.ticks)
    ]
    scores = [task.scores(stopped, targets)[task.primary_metric] for stopped in of_ticks]  # T of (B,)
    return ScoredTicks(thoughts.certainty, torch.stack(scores, dim=1))


class HaltingScores:
    """Collects what stopping at each of some certainties would have given, from thoughts that went on to the end.

    An answer at a tick does not depend on later ones, so that a single pass says what `evaluate_until` finds out for
    each certainty, but for the speed.

    Args:
        task: gives the scores.
        thresholds: the certainties.

    Raises:
        ConfigError: as `evaluate_until`.
    """

    def __init__(self, task: Task, thresholds: Sequence[float] = THRESHOLDS) -> None:
        require_answers_at_ticks(task)
        self.task, self.thresholds = task, tuple(thresholds)
        self._samples = 0
        self._scores = [0.0] * (len(self.thresholds) + 1)
        self._ticks = [0.0] * (len(self.thresholds) + 1)

    def add(self, thoughts: Thoughts, targets: Tensor) -> None:
        """Takes in a batch; targets are (B, *answer), where the thoughts are."""
        self._samples += len(targets)
        certainty, scores = score_ticks_of_batch(self.task, thoughts, targets)
        for place, until in enumerate((*self.thresholds, torch.inf)):
            self._scores[place] += float(at_stop(scores, certainty, until).sum(dtype=widest(scores.device)))
            self._ticks[place] += float((stopping_tick(certainty, until) + 1).sum())

    def means(self) -> tuple[list[float], list[float]]:
        """The primary metric and the ticks of a sample at each certainty, and, at the end, of thinking all ticks."""
        return [total / self._samples for total in self._scores], [total / self._samples for total in self._ticks]


def halting_curve(model: ContinuousThoughtMachine, found: HaltingScores, batch_size: int = 256) -> HaltingCurve:
    """Scores and ticks as they were collected, and the speed at each certainty, by thinking about some samples.

    Args:
        model: as for `evaluate_until`, like `batch_size`.
        found: of all samples.
    """
    scores, ticks = found.means()
    speed = [
        evaluate_until(model, found.task, "test", until, batch_size, TIMED)["samples_per_second"]
        for until in (*found.thresholds, None)
    ]
    full = scores.pop(), ticks.pop(), speed.pop()
    return HaltingCurve(found.task.primary_metric, found.thresholds, scores, ticks, speed, full)


def require_answers_at_ticks(task: Task) -> None:
    """Refuses a task of which no tick has an answer of its own.

    Raises:
        ConfigError: if the task's answers are emitted over ticks, so that no certainty ends a thought.
    """
    if task.emits:
        raise ConfigError(
            f"the task {task.config.kind!r} emits its answer over ticks, so no certainty says when to stop or which "
            "answer to give; evaluate it to the end: the score 'ticks' is how many it took until all was said"
        )


def _first(batches: Iterable[Batch], samples: int | None) -> Iterator[Batch]:
    """The first samples of batches, at most so many."""
    left = samples
    for batch in batches:
        if left is not None and left <= len(batch.targets):
            yield slice_batch(batch, 0, left)
            return
        yield batch
        left = None if left is None else left - len(batch.targets)


@torch.no_grad()
def answer(
    model: ContinuousThoughtMachine,
    batches: list[Inputs],
    until: float | None,
    batch_size: int,
    sampling: Sampling | None = None,
) -> Answers:
    """The answers of a model that stops when it is sure, or thinks to the end where `until` is nothing."""
    if sampling is None and until is not None:
        found = list(think_stream(model, batches, until, batch=batch_size))
    else:
        found, seen = [], 0
        for inputs in batches:
            if sampling is None:
                each = _to_the_end(model, inputs)
            else:
                each = think(model, inputs, _never if until is None else until, batch=batch_size, **vars(sampling))
            found.append(each._replace(index=each.index + seen))
            seen += count(inputs)
    return Answers(*map(torch.cat, zip(*found, strict=True)))


def _to_the_end(model: ContinuousThoughtMachine, inputs: Inputs) -> Answers:
    """The answers of a plain forward pass."""
    thoughts = model(inputs).due
    index = torch.arange(count(inputs), device=thoughts.logits.device)
    ticks = torch.full_like(index, thoughts.ticks)
    return Answers(thoughts.at("most_certain"), thoughts.certainty.amax(1), ticks, index)


def _never(certainty: Tensor, answers: Tensor, ticks: Tensor) -> Tensor:
    """The halting rule of thinking to the end."""
    return torch.zeros_like(ticks, dtype=torch.bool)
