"""How several models learn, each averaged over its seeds (Figures 6b, 9, 18, 26)."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ctm.analysis.calibration import calibration_side_by_side
from ctm.analysis.neurons import neuron_traces_side_by_side
from ctm.analysis.over_ticks import OverTicks
from ctm.analysis.similarity import COMPARED, similarity_picture
from ctm.analysis.style import SERIES, canvas, styled
from ctm.analysis.when_certain import most_certain_side_by_side
from ctm.comparison.by_setting import by_setting_picture, scores_by_setting
from ctm.comparison.comparison import Comparison
from ctm.comparison.results import comparison_results, table
from ctm.comparison.rows import rows_of, to_csv
from ctm.files import write_atomically
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Task
from ctm.training.one_pass import activity, one_pass

Line = Mapping[str, Any]
LETTERS = 116
"""Letters of a legend that fit into the width of a picture."""


def comparison_report(comparison: Comparison) -> Iterator[Path]:
    """Writes what came out so far, of all runs that are finished, beside them; yields each file when it is there.

    `results.json` has all scores, `results.csv` a line for each run, `results.md` the table, `comparison.png` the
    picture; `by-setting.png` is there if models differ in a setting that is a number, and in nothing else.
    """
    found = comparison_results(comparison)
    texts = {
        "results.json": json.dumps(found, indent=2) + "\n",
        "results.csv": to_csv(rows_of(comparison)),
        "results.md": table(found),
    }
    for name, text in texts.items():
        write_atomically(comparison.folder / name, text)
        yield comparison.folder / name
    runs = {name: [run.complete_metrics() for run in comparison.of(name).values()] for name in comparison.experiments}
    path = comparison.folder / "comparison.png"
    metric = comparison.primary_metric
    comparison_picture(runs, metric).savefig(path, dpi=160)
    yield path
    scores = {name: [run["best"][metric] for run in model["runs"].values()] for name, model in found["models"].items()}
    if lines := scores_by_setting(comparison.experiments, scores):
        path = comparison.folder / "by-setting.png"
        by_setting_picture(lines, metric).savefig(path, dpi=160)
        yield path


def model_figures(comparison: Comparison, *, quiet: bool = True) -> Iterator[Path]:
    """Draws the models side by side, from the best checkpoints of all finished runs.

    What the task itself has to show and, for answers of one label, calibration, the ticks at which models are most
    certain, and what their neurons do; the latter two of models that think more than one tick. Seeds are taken
    together, but for traces of neurons, which are those of the first seed.

    Args:
        comparison: the runs.
        quiet: show no progress bars.

    Returns:
        an iterator over the files, each when it is there.
    """
    runs = {name: list(comparison.of(name).values()) for name in comparison.experiments}
    models = {name: [run.load_model() for run in finished] for name, finished in runs.items() if finished}
    if not models:
        return
    experiment = next(iter(comparison.experiments.values()))
    task = experiment.task.build()
    figures = dict(task.comparison_figures(models))
    if not experiment.task.acts and len(experiment.model.readout.shape) == 1 and not task.emits:
        figures |= _classification_figures(comparison, models, task, quiet)
    for name, figure in figures.items():
        path = comparison.folder / f"{name}.png"
        figure.savefig(path, dpi=160)
        yield path


def _classification_figures(
    comparison: Comparison, models: Mapping[str, Sequence[ContinuousThoughtMachine]], task: Task, quiet: bool
) -> dict[str, Figure]:
    """Models side by side that give one label a sample (Figures 21b, 23, 24 and 25)."""
    seen = {name: OverTicks() for name in models}
    for name, seeds in models.items():
        batch = comparison.experiments[name].training.evaluation_batch
        for number, model in enumerate(seeds, start=1):
            title = f"{name}, {number} of {len(seeds)}"
            for thoughts, targets in one_pass(model, task, "test", batch, title=title, quiet=quiet):
                seen[name].add(thoughts, targets)
    calibration = {name: collected.calibration["most_certain"] for name, collected in seen.items()}
    figures = {"calibration": calibration_side_by_side(calibration)}
    thinking = {name: seeds for name, seeds in models.items() if seeds[0].config.ticks > 1}
    if thinking:
        inside = {name: [activity(model, task, COMPARED) for model in seeds] for name, seeds in thinking.items()}
        figures |= {
            "most-certain": most_certain_side_by_side({name: seen[name] for name in thinking}),
            "similarity": similarity_picture(inside),
            "neurons": neuron_traces_side_by_side({name: seeds[0] for name, seeds in inside.items()}),
        }
    return figures


@styled()
def comparison_picture(runs: Mapping[str, Sequence[Sequence[Line]]], primary_metric: str = "accuracy") -> Figure:
    """Training loss (logarithmic) and validation scores over training, for every model (of those that act, Figure 34).

    Args:
        runs: by the model's name, the lines of the metrics files of its runs, one for each seed.
        primary_metric: the score that matters; it is drawn besides accuracy.

    Returns:
        a figure with two or three panels: means over seeds, with one standard deviation to both sides shaded. Where
        the split "train" was not scored, the first panel has the metric of the training steps in place of the loss.
    """
    everything = [line for model in runs.values() for lines in model for line in lines if "split" in line]
    scores = ["accuracy", primary_metric] if any("accuracy" in line for line in everything) else [primary_metric]
    has_loss = not everything or any(line["split"] == "train" for line in everything)
    first: tuple[str | None, str] = ("train", "loss") if has_loss else (None, primary_metric)
    panels = [first, *(("validation", score) for score in dict.fromkeys(scores))]
    columns = max(1, LETTERS // (max(map(len, runs)) + 6))
    legend = 0.19 * math.ceil(len(runs) / columns)  # inches
    height = 2.7 + legend
    figure = canvas(height)
    figure.subplots_adjust(left=0.065, right=0.985, bottom=(0.5 + legend) / height, top=1 - 0.25 / height, wspace=0.2)
    for axes, (split, score) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for (name, lines), colour in zip(runs.items(), SERIES * len(runs), strict=False):
            _curve(axes, lines, split, score, colour, name)
        axes.set(title=f"{'Validation' if split else 'Training'} {score.replace('_', ' ')}", xlabel="iteration")
        axes.grid(axis="y")
        if split == "train":
            axes.set_title("Training loss")
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("{x:g}" if high < 12 * low else "")
        elif "accuracy" in score:
            axes.set_ylim(0, 1.02)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="lower center", ncols=columns)
    return figure


def _curve(axes: Axes, runs: Sequence[Sequence[Line]], split: str | None, score: str, colour: str, name: str) -> None:
    """The mean over runs, and their standard deviation; only where all of them were evaluated."""
    curves = [
        {line["iteration"]: line[score] for line in lines if line.get("split") == split and line.get(score) is not None}
        for lines in runs
    ]
    iterations = sorted(set.intersection(*map(set, curves))) if curves else []
    if not iterations:
        return
    values = np.array([[curve[iteration] for iteration in iterations] for curve in curves])  # (seeds, points)
    mean = values.mean(0)
    axes.plot(iterations, mean, color=colour, linewidth=1.6, label=name)
    if len(values) > 1:
        spread = values.std(0, ddof=1)
        low = np.maximum(mean - spread, values.min(0))  # a loss stays above 0
        axes.fill_between(iterations, low, mean + spread, color=colour, alpha=0.16, linewidth=0)
