"""The final score against each setting that has several numbers (Figures 24a and 25a)."""

import numbers
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctm.analysis.style import SERIES, canvas, styled
from ctm.comparison.settings import differing
from ctm.training.config import Experiment

Points = dict[float, list[float]]
"""Scores of all seeds by the value of a setting."""

FOLLOWS = "task.learned."
"""How the fields begin that say what was learned of the data: they follow from settings, and are none."""


def scores_by_setting(
    experiments: Mapping[str, Experiment], scores: Mapping[str, Sequence[float]]
) -> dict[str, dict[str, Points]]:
    """The lines to draw against each setting.

    A line has the models that differ in nothing but this setting, at least two of them, and is called by the words that
    their names have in common, as "parity/quick learning_rate=0.001" of a sweep, or else by the first of them.

    Args:
        experiments: by the model's name.
        scores: of the finished seeds of each of them.

    Returns:
        the lines by the path of the setting; none of a setting that is no number.
    """
    settings = [
        {path: value for path, value in different.items() if not path.startswith(FOLLOWS)}
        for different in differing(list(experiments.values()))
    ]
    found: dict[str, dict[str, Points]] = {}
    for path in settings[0]:
        groups: dict[str, list[tuple[str, float]]] = {}  # by all other settings
        for name, different in zip(experiments, settings, strict=True):
            value = different[path]
            if scores[name] and isinstance(value, numbers.Real) and not isinstance(value, bool):
                groups.setdefault(repr(different | {path: None}), []).append((name, float(value)))
        lines = {_shared(group): {value: list(scores[name]) for name, value in group} for group in groups.values()}
        lines = {name: points for name, points in lines.items() if len(points) > 1}
        if lines:
            found[path] = lines
    return found


def _shared(group: Sequence[tuple[str, float]]) -> str:
    """The words that the names of all models have in common."""
    words = [name.split() for name, _ in group]
    return " ".join(word for word in words[0] if all(word in others for others in words)) or group[0][0]


@styled()
def by_setting_picture(lines: Mapping[str, Mapping[str, Points]], score: str) -> Figure:
    """The score against every setting: a point for each seed, their mean, and one standard deviation to both sides.

    Args:
        lines: of `scores_by_setting`; not empty.
        score: its name.

    Returns:
        a figure with a panel for each setting.
    """
    figure = canvas(height=2.9, width=max(4.6, 3.2 * len(lines)))
    axes_of_all = figure.subplots(1, len(lines), sharey=True, squeeze=False)[0]
    for axes, (path, of_setting) in zip(axes_of_all, lines.items(), strict=True):
        for (name, points), colour in zip(of_setting.items(), SERIES * len(of_setting), strict=False):
            _line(axes, points, colour, name)
        _axis(axes, sorted({value for points in of_setting.values() for value in points}))
        axes.set_xlabel(path)
        axes.grid(axis="y")
        if len(of_setting) > 1:
            axes.legend(loc="best")
    axes_of_all[0].set_title(f"Test {score.replace('_', ' ')}")
    figure.tight_layout()
    return figure


def _line(axes: Axes, points: Points, colour: str, name: str) -> None:
    values = sorted(points)
    mean = np.array([np.mean(points[value]) for value in values])
    spread = np.array([np.std(points[value], ddof=1) if len(points[value]) > 1 else 0.0 for value in values])
    axes.plot(values, mean, color=colour, linewidth=1.6, label=name)
    axes.fill_between(values, mean - spread, mean + spread, color=colour, alpha=0.12, linewidth=0)
    seeds = [(value, score) for value in values for score in points[value]]
    axes.scatter(*zip(*seeds, strict=True), color=colour, s=12, linewidth=0)


def _axis(axes: Axes, values: Sequence[float]) -> None:
    """Labels the horizontal axis by the values; a logarithmic one if they lie that far apart."""
    if values[0] > 0 and values[-1] >= 4 * values[0]:
        axes.set_xscale("log")
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.set_xticks([], minor=True)
