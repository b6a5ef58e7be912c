"""Trained models beside people: the files of what people answered, and everything that is drawn and told of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctm.analysis.calibration import calibration_side_by_side
from ctm.analysis.people import (
    PEOPLE,
    Judged,
    agreement,
    difficulty_picture,
    judged_by_model,
    judged_by_people,
    uncertainty_picture,
)
from ctm.errors import ConfigError, DataError
from ctm.training.one_pass import one_pass
from ctm.training.run import Run


def read_labels(path: Path, targets: Tensor, classes: int) -> Tensor:
    """What people answered, (N, C): for each test sample in order, the share of them that chose each class.

    Args:
        path: an .npy.
        targets: (N,), the right answers.
        classes: C.

    Raises:
        DataError: if it is not that, or if the people are right no more often than by chance.
    """
    labels = _array(path, _load(path))
    expected = (len(targets), classes)
    if labels.shape != expected:
        raise DataError(
            f"{path}: shape {labels.shape}: expected {expected}, a row for each test sample in order and a column for "
            "each class"
        )
    if labels.min() < 0 or labels.max() > 1:
        raise DataError(
            f"{path}: values from {labels.min():g} to {labels.max():g}: expected probabilities from 0 to 1; divide "
            "numbers of people by the sums of their rows"
        )
    sums = labels.sum(1)
    wrong = np.flatnonzero(abs(sums - 1) > 1e-3)
    if len(wrong):
        raise DataError(f"{path}: row {wrong[0]} sums up to {sums[wrong[0]]:g}: expected 1")
    right = float((labels.argmax(1) == targets.numpy()).mean())
    chance = 1 / classes
    if right < chance + 3 * (chance * (1 - chance) / len(targets)) ** 0.5:
        raise DataError(
            f"{path}: the likeliest class is right for {right:.1%} of the test samples, no more than by chance: "
            "expected rows in the order of the test split and columns in the order of the classes"
        )
    return torch.from_numpy(labels)


def read_difficulty(path: Path, targets: Tensor) -> Tensor:
    """How difficult each test sample is, (N,).

    Args:
        path: an .npy of it, or an .npz of what other models answered: arrays `predictions` (M, N) and `labels` (N,);
            then it is the share of them that is wrong.
        targets: (N,), the right answers.

    Raises:
        DataError: if it is neither, or if the labels are not the targets.
    """
    loaded, samples = _load(path), len(targets)
    if isinstance(loaded, np.ndarray):
        difficulty = _array(path, loaded)
        if difficulty.shape != (samples,):
            raise DataError(f"{path}: shape {difficulty.shape}: expected ({samples},), a number for each test sample")
        return torch.from_numpy(difficulty)
    with loaded:
        if missing := [name for name in ("predictions", "labels") if name not in loaded.files]:
            known = ", ".join(loaded.files) or "none"
            raise DataError(f"{path}: no array {missing[0]!r}: there are {known}; expected predictions and labels")
        predictions, labels = (_array(path, loaded[name]) for name in ("predictions", "labels"))
    if predictions.ndim != 2 or predictions.shape[1] != samples or labels.shape != (samples,):
        raise DataError(
            f"{path}: predictions {predictions.shape} and labels {labels.shape}: expected (models, {samples}) and "
            f"({samples},), a column for each test sample in order"
        )
    if (different := np.flatnonzero(labels != targets.numpy())).size:
        first = different[0]
        raise DataError(
            f"{path}: labels: {len(different)} of {samples} are not those of the test split, the first one of sample "
            f"{first}: {labels[first]:g}, expected {targets[first]}; expected its samples in order"
        )
    return torch.from_numpy((predictions != labels).mean(0))


def compare_with_people(
    runs: Sequence[Path],
    labels: Path,
    difficulty: Path | None,
    device: torch.device,
    quiet: bool = True,
) -> tuple[dict[str, Judged], Tensor | None]:
    """Lets the best models of some runs answer what people have answered.

    Args:
        runs: folders of runs whose task has one label a sample, with the same test samples.
        labels: what people answered, as for `read_labels`.
        difficulty: of the samples, as for `read_difficulty`.
        device: where the models compute.
        quiet: show no progress bars.

    Returns:
        by name, in order, the models and at last people; and how difficult samples are, (N,).

    Raises:
        ConfigError: if a run is named twice, or its task has other answers.
        RunError: if a run has no model.
        DataError: if data are missing, or do not belong together.
    """
    if len({path.resolve() for path in runs}) < len(runs):
        raise ConfigError(f"{', '.join(map(str, runs))}: expected each run once")
    opened = {name: Run.open(path) for name, path in zip(_names(runs), runs, strict=True)}
    tasks = {}
    for name, run in opened.items():
        config = run.experiment.task
        if config.acts or len(run.experiment.model.readout.shape) != 1 or (task := config.build()).emits:
            raise ConfigError(f"{run.path}: learned {config.kind}: expected a task with one label a sample")
        tasks[name] = task
    targets = _targets(opened, tasks)
    classes = next(iter(opened.values())).experiment.model.readout.shape[0]
    people = judged_by_people(read_labels(labels, targets, classes), targets)
    hard = None if difficulty is None else read_difficulty(difficulty, targets)
    everyone = {}
    for name, run in opened.items():
        model, batch = run.load_model(device=device), run.experiment.training.evaluation_batch
        answers = one_pass(model, tasks[name], "test", batch, title=name, quiet=quiet)
        parts = [judged_by_model(thoughts, targets) for thoughts, targets in answers]
        everyone[name] = Judged(*(torch.cat(part).cpu() for part in zip(*parts, strict=True)))
    return everyone | {PEOPLE: people}, hard


def people_figures(everyone: Mapping[str, Judged], difficulty: Tensor | None) -> dict[str, Any]:
    """The pictures by name: calibration side by side, uncertainties, and, if difficulty is known, what it changes."""
    calibrations = {name: judged.calibration() for name, judged in everyone.items()}
    figures = {
        "people-calibration": calibration_side_by_side(calibrations),
        "people-uncertainty": uncertainty_picture(everyone),
    }
    if difficulty is not None:
        figures["people-difficulty"] = difficulty_picture(everyone, difficulty)
    return figures


def people_scores(everyone: Mapping[str, Judged]) -> dict[str, dict[str, float]]:
    """By name: "accuracy", "calibration_error", mean "uncertainty" and its "correlation" with that of people."""
    return {
        name: {
            "accuracy": float(judged.right.double().mean()),
            "calibration_error": judged.calibration().error(),
            "uncertainty": float(judged.uncertainty.double().mean()),
            "correlation": agreement(judged, everyone[PEOPLE]),
        }
        for name, judged in everyone.items()
    }


def _targets(runs: Mapping[str, Run], tasks: Mapping[str, Any]) -> Tensor:
    """The right answers of the test split, which all runs have to share."""
    targets = {}
    for name, run in runs.items():
        batches = tasks[name].evaluation("test", run.experiment.training.evaluation_batch)
        targets[name] = torch.cat([batch.targets for batch in batches])
    first = next(iter(runs.values()))
    for name, run in runs.items():
        shapes = [run.experiment.model.readout.shape for run in (first, run)]
        if shapes[0] != shapes[1] or not torch.equal(targets[name], next(iter(targets.values()))):
            raise DataError(f"{run.path}: its test samples are not those of {first.path}, so they cannot be compared")
    return next(iter(targets.values()))


def _names(runs: Sequence[Path]) -> list[str]:
    """As many of the last folders of each as are needed to tell them apart."""
    paths = [path.resolve() for path in runs]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len({*names, PEOPLE}) == len(names) + 1:
            break
    return names


def _load(path: Path) -> Any:
    """What NumPy finds in a file."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        return np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy and zipfile raise many kinds for what is none of theirs
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: expected an array, as np.save or np.savez writes it ({reason})") from None


def _array(path: Path, values: Any) -> np.ndarray:
    """Finite numbers."""
    if not isinstance(values, np.ndarray):
        raise DataError(f"{path}: holds several arrays: expected a single one, as np.save writes it")
    if values.dtype.kind not in "biuf":
        raise DataError(f"{path}: values of type {values.dtype}: expected numbers")
    if not np.isfinite(values).all():
        raise DataError(f"{path}: some values are not finite: expected numbers only")
    return values.astype(np.float64)
