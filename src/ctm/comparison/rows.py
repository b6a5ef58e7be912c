"""Runs as rows of a table with single values in their cells, for pandas and spreadsheets."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctm.baselines import parameters
from ctm.comparison.comparison import Comparison, finished
from ctm.comparison.results import scores_of
from ctm.comparison.settings import differing, leaves
from ctm.errors import CTMError, RunError
from ctm.training.run import Run

Row = dict[str, Any]


def results(folder: str | Path) -> list[Row]:
    """All runs in a folder and those below it, also outside of comparisons: `pandas.DataFrame(ctm.results("runs"))`.

    Returns:
        for each run, in the order of their paths, "path", "status" ("finished", "unfinished" or "broken"), "error"
        (what is broken), "task" (its kind), "seed", "iteration" (of the last checkpoint), the settings that are not the
        same in all runs, by their paths as on the command line ("training.optimizer.learning_rate"), "seconds", and all
        scores on the test split, "best.loss", "last.loss", …: of the best checkpoint, which the validation split
        chose, and of the last one. All rows have the same keys; None is what a run does not have.

    Raises:
        RunError: if there is no such folder. What is wrong with a run is said in its row.
    """
    if not Path(folder).is_dir():
        raise RunError(f"{folder}: no such folder")
    paths = []
    for found, folders, files in os.walk(folder):
        folders.sort()
        if "config.yaml" in files:
            paths.append(Path(found))
            folders.clear()  # a run has no other ones in it
    rows, opened = [], []
    for path in paths:
        row: Row = {"path": str(path), "status": "broken", "error": None}
        try:
            run = Run.open(path)
            opened.append((row, run.experiment))
            row |= {"task": run.experiment.task.kind, "seed": run.experiment.training.seed}
            row["iteration"] = max((checkpoint.iteration for checkpoint in run.checkpoints()), default=None)
            scores = scores_of(run) if finished(run) else {}
            row |= {"status": "finished" if scores else "unfinished", "scores": scores}
        except (CTMError, OSError) as error:
            row["error"] = str(error)
        rows.append(row)
    for (row, _), settings in zip(opened, differing([experiment for _, experiment in opened]), strict=True):
        settings.pop("training.seed", None)
        row |= settings
    return _filled([_with_scores(row) for row in rows])


def rows_of(comparison: Comparison) -> list[Row]:
    """The finished runs of a comparison, those of each model together.

    Returns:
        for each, "model" (its name), "preset", the settings that are not the same for all models, "seed", "parameters",
        and "path", "seconds" and scores as `results`.

    Raises:
        RunError: if the metrics of a run are broken, or end before its last checkpoint.
    """
    rows = []
    settings = differing(list(comparison.experiments.values()))
    for (name, experiment), different in zip(comparison.experiments.items(), settings, strict=True):
        model = {"model": name, "preset": comparison.presets[name], **different}
        for seed, run in comparison.of(name).items():
            numbers = {"seed": seed, "parameters": parameters(experiment.model), "scores": scores_of(run)}
            rows.append(_with_scores(model | numbers))
    return _filled(rows)


def to_csv(rows: Sequence[Row]) -> str:
    """Rows of the same keys as text, the keys as its first line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _with_scores(row: Row) -> Row:
    """The row with its scores in cells of their own, at the end."""
    scores = row.pop("scores", {})
    return row | leaves(scores)


def _filled(rows: list[Row]) -> list[Row]:
    """The same rows with the same keys."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key) for key in keys} for row in rows]
