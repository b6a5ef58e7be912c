"""What it costs to be surer: accuracy, ticks and speed against the certainty at which thinking stops."""

from typing import NamedTuple

from matplotlib.figure import Figure

from ctm.analysis.style import BLUE, GREEN, MUTED, ORANGE, canvas, styled
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Split, Task
from ctm.training.halting import evaluate_until

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
"""Certainties at which thinking is tried to stop."""


class Stopping(NamedTuple):
    """How a model does when it stops at each of some certainties, and when it thinks to the end."""

    score: str  # the name of what is measured
    thresholds: tuple[float, ...]
    scores: list[float]
    ticks: list[float]  # per sample
    speed: list[float]  # samples per second
    full: tuple[float, float, float]  # score, ticks and speed of a plain forward pass


def stopping(
    model: ContinuousThoughtMachine,
    task: Task,
    split: Split = "test",
    batch_size: int = 256,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> Stopping:
    """Tries certainties to stop at, on all samples of a split.

    Args:
        model: as for `evaluate_until`, like the other arguments.
        thresholds: the certainties.
    """
    wanted = (task.primary_metric, "ticks", "samples_per_second")
    *measured, full = (
        tuple(evaluate_until(model, task, split, until, batch_size)[name] for name in wanted)
        for until in (*thresholds, None)
    )
    scores, ticks, speed = map(list, zip(*measured, strict=True))
    return Stopping(task.primary_metric, thresholds, scores, ticks, speed, full)


@styled()
def stopping_picture(tried: Stopping) -> Figure:
    """Score, ticks per sample and samples per second against the certainty at which thinking stops.

    Returns:
        a figure with three panels; dashed lines show a plain forward pass of all ticks.
    """
    figure = canvas(height=2.7)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.18, top=0.88, wspace=0.26)
    panels = zip(
        figure.subplots(1, 3),
        (tried.score.replace("_", " ").capitalize(), "Ticks per sample", "Samples per second"),
        (tried.scores, tried.ticks, tried.speed),
        tried.full,
        (BLUE, ORANGE, GREEN),
        strict=True,
    )
    for axes, title, values, full, colour in panels:
        axes.axhline(full, color=MUTED, linestyle="--", linewidth=1, label="all ticks")
        axes.plot(tried.thresholds, values, color=colour, marker="o", markersize=3.5, label="stopping when sure")
        axes.set_title(title)
        axes.set_xlabel("certainty at which thinking stops")
        axes.grid(axis="y")
        axes.margins(y=0.12)
    for axes in figure.axes[1:]:
        axes.set_ylim(bottom=0)
    figure.axes[1].legend(loc="best")
    return figure
