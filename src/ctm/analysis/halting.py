"""What it costs to be surer: accuracy, ticks and speed against the certainty at which thinking stops."""

from typing import NamedTuple

from matplotlib.figure import Figure

from ctm.analysis.style import BLUE, GREEN, MUTED, ORANGE, canvas, styled


class HaltingCurve(NamedTuple):
    """How a model does when it stops at each of some certainties, and when it thinks to the end."""

    score: str  # the name of what is measured
    thresholds: tuple[float, ...]
    scores: list[float]
    ticks: list[float]  # per sample
    speed: list[float]  # samples per second
    full: tuple[float, float, float]  # score, ticks and speed of a plain forward pass


@styled()
def halting_picture(curve: HaltingCurve) -> Figure:
    """Score, ticks per sample and samples per second against the certainty at which thinking stops.

    Returns:
        a figure with three panels; dashed lines show a plain forward pass of all ticks.
    """
    figure = canvas(height=2.7)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.18, top=0.88, wspace=0.26)
    panels = zip(
        figure.subplots(1, 3),
        (curve.score.replace("_", " ").capitalize(), "Ticks per sample", "Samples per second"),
        (curve.scores, curve.ticks, curve.speed),
        curve.full,
        (BLUE, ORANGE, GREEN),
        strict=True,
    )
    for axes, title, values, full, colour in panels:
        axes.axhline(full, color=MUTED, linestyle="--", linewidth=1, label="all ticks")
        axes.plot(curve.thresholds, values, color=colour, marker="o", markersize=3.5, label="stopping when sure")
        axes.set_title(title)
        axes.set_xlabel("certainty at which thinking stops")
        axes.grid(axis="y")
        axes.margins(y=0.12)
    for axes in figure.axes[1:]:
        axes.set_ylim(bottom=0)
    figure.axes[1].legend(loc="best")
    return figure
