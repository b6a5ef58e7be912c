"""At which tick a machine becomes sure, and at which it is most certain (Figures 10b and 25b)."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ctm.analysis.over_ticks import SURE, OverTicks
from ctm.analysis.style import BLUE, INK, SERIES, canvas, plain, styled, tick_axis

NAMED = 10
"""With more classes than this, a scale of colours stands for them instead of their names."""


@styled()
def when_certain(seen: OverTicks, classes: Sequence[str] | None = None) -> Figure:
    """When samples become sure, by class (Figure 10b), and when they are most certain (Figure 25b).

    Args:
        seen: what was collected of a data set.
        classes: names of the classes, of answers of one label; without them, when samples become sure is not drawn.

    Returns:
        a figure with two panels, or with the second one alone: how many samples reach a certainty of 0.8 at a tick for
        the first time, stacked by class; the share of samples that are most certain at a tick, and their accuracy.
    """
    figure = canvas(height=3.5, width=8.0 if classes else 5.6)
    figure.subplots_adjust(left=0.6 / figure.get_figwidth(), right=0.98, bottom=0.14, top=0.9, wspace=0.2)
    *first, chosen = figure.subplots(1, 2 if classes else 1, squeeze=False)[0]
    if classes:
        _stacked(first[0], plain(seen.first_sure()), classes, seen.samples)
    share, accuracy = seen.most_certain()
    ticks = np.arange(1, seen.ticks + 1)
    chosen.bar(ticks, plain(share), width=0.85, color=BLUE, alpha=0.45, label="samples")
    chosen.plot(ticks, plain(accuracy), color=INK, marker="o", markersize=3, linewidth=1.2, label="accuracy of these")
    chosen.set(title="Share of samples most certain at a tick", ylim=(0, 1.03))
    chosen.legend(loc="best")
    chosen.grid(axis="y")
    tick_axis(chosen, seen.ticks)
    return figure


@styled()
def most_certain_side_by_side(models: Mapping[str, OverTicks]) -> Figure:
    """When each of several models is most certain, and how often it is right then (Figure 25b).

    Args:
        models: by name.

    Returns:
        a figure with two panels: shares of samples, and their accuracy.
    """
    figure = canvas(height=3.5)
    figure.subplots_adjust(left=0.065, right=0.98, bottom=0.14, top=0.9, wspace=0.17)
    share_axes, accuracy_axes = figure.subplots(1, 2)
    for (name, seen), colour in zip(models.items(), SERIES * len(models), strict=False):
        for axes, values in zip((share_axes, accuracy_axes), seen.most_certain(), strict=True):
            ticks = np.arange(1, seen.ticks + 1)
            axes.plot(ticks, plain(values), color=colour, marker="o", markersize=3, linewidth=1.3, label=name)
    share_axes.set(title="Share of samples most certain at a tick")
    accuracy_axes.set(title="Accuracy of these")
    share_axes.set_ylim(bottom=0)
    share_axes.legend(loc="best")
    for axes in (share_axes, accuracy_axes):
        axes.grid(axis="y")
        tick_axis(axes, max(seen.ticks for seen in models.values()))
    return figure


def _stacked(axes: Axes, counts: np.ndarray, classes: Sequence[str], samples: int) -> None:
    """Bars over ticks, of counts (T, C), a colour for each class."""
    ticks = np.arange(len(counts))
    edges = np.append(ticks, len(counts)) + 0.5
    heights = np.cumsum(np.pad(counts, ((0, 0), (1, 0))), axis=1)  # (T, C + 1)
    named = len(classes) <= NAMED
    colours = matplotlib.colormaps["tab10" if named else "turbo"]
    for number, name in enumerate(classes):
        colour = colours(number if named else number / (len(classes) - 1))
        low, high = heights[:, number], heights[:, number + 1]
        axes.stairs(high, edges, baseline=low, fill=True, color=colour, linewidth=0, label=name)
    axes.set_title(f"Samples that reach a certainty of {SURE}")
    axes.grid(axis="y")
    if named:
        axes.legend(loc="best", title="class", ncols=2, alignment="left", columnspacing=1, handlelength=1)
    else:
        scale = ScalarMappable(Normalize(0, len(classes) - 1), colours)
        axes.figure.colorbar(scale, ax=axes, label="class", pad=0.02, fraction=0.05)
    tick_axis(axes, len(counts))
    axes.set_xlabel(f"first internal tick of that certainty ({1 - counts.sum() / samples:.0%} never)")
