"""How training went: loss and accuracy against iterations."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctm.analysis.style import BLUE, MUTED, ORANGE, canvas, styled

Line = Mapping[str, Any]
SPLITS = {"train": BLUE, "validation": ORANGE}


@styled()
def training_curves(metrics: Sequence[Line]) -> Figure:
    """Loss (logarithmic) and accuracy over training, as in Figures 6b, 21 and 26.

    Args:
        metrics: lines of a metrics file. Training lines have `iteration`, `loss` and `accuracy`, but no
            `split`; evaluation lines have `split`, "train" or "validation", and may have `whole_accuracy`, the
            share of answers that are right at every position.

    Returns:
        a figure with two panels; batches are grey with their moving average, evaluations coloured by split.
    """
    figure = canvas(height=3.2)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.15, top=0.9, wspace=0.17)
    loss, accuracy = figure.subplots(1, 2)
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        _batches(axes, metrics, name)
        for split in SPLITS:
            _evaluations(axes, metrics, split, name)
        axes.set(title=name.capitalize(), xlabel="iteration")
        axes.grid(axis="y")
    for split in SPLITS:
        _evaluations(accuracy, metrics, split, "whole_accuracy", suffix=", all positions", linestyle=":")
    loss.set_yscale("log")
    accuracy.set_ylim(0, 1.02)
    for axes, corner in ((loss, "upper right"), (accuracy, "lower right")):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc=corner)
    return figure


@styled()
def acting_curves(metrics: Sequence[Line], samples: int = 1) -> Figure:
    """Return, length of episodes and entropy of the policy over training by acting, as in Figure 34.

    Args:
        metrics: lines of a metrics file. Training lines have `return`, `length` and `entropy`, but no `split`; lines of
            the split "validation" have `return`, `length` and perhaps the bounds `return_low` and `return_high`.
        samples: steps in environments of an iteration.

    Returns:
        a figure with three panels; episodes of training are grey with their moving average.
    """
    steps = [{**line, "iteration": line["iteration"] * samples} for line in metrics]
    figure = canvas(height=2.7)
    figure.set_layout_engine("constrained")
    for axes, name in zip(figure.subplots(1, 3), ("return", "length", "entropy"), strict=True):
        _batches(axes, steps, name, label="training")
        _evaluations(axes, steps, "validation", name)
        axes.set(title=name.capitalize(), xlabel="steps in environments")
        axes.grid(axis="y")
        axes.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4), useMathText=True)
    validation = [line for line in steps if line.get("split") == "validation"]
    (places, low), (_, high) = (_series(validation, f"return_{end}") for end in ("low", "high"))
    if len(places):
        figure.axes[0].fill_between(places, low, high, color=SPLITS["validation"], alpha=0.16, linewidth=0)
    figure.axes[0].legend(loc="upper left")
    return figure


def _series(lines: Sequence[Line], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Iterations and values of the lines that have a value."""
    pairs = [(line["iteration"], line[name]) for line in lines if line.get(name) is not None]
    iterations, values = np.array(pairs, dtype=float).reshape(-1, 2).T
    return iterations, values


def _batches(axes: Axes, metrics: Sequence[Line], name: str, label: str = "batches") -> None:
    iterations, values = _series([line for line in metrics if "split" not in line], name)
    if not len(values):
        return
    axes.plot(iterations, values, color=MUTED, alpha=0.25, linewidth=0.8)
    window = max(1, len(values) // 30)
    smooth = np.convolve(values, np.full(window, 1 / window), mode="valid")
    axes.plot(iterations[window - 1 :], smooth, color=MUTED, linewidth=1.2, label=label)


def _evaluations(
    axes: Axes, metrics: Sequence[Line], split: str, name: str, suffix: str = "", linestyle: str = "-"
) -> None:
    iterations, values = _series([line for line in metrics if line.get("split") == split], name)
    if len(values):
        look: dict[str, Any] = {"color": SPLITS[split], "linestyle": linestyle, "marker": "o", "markersize": 2.5}
        axes.plot(iterations, values, label=split + suffix, **look)
