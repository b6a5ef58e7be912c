"""Training on arrays in a line of Python: `ctm.fit`."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ctm.config import Config
from ctm.errors import ConfigError, DataError, RunError
from ctm.inputs import split
from ctm.losses import TwoTickLoss
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.registry import preset
from ctm.tasks.arrays.samples import Samples, checked
from ctm.tasks.arrays.task import Arrays
from ctm.tasks.base import TaskConfig
from ctm.training import Experiment, Run, TrainingConfig
from ctm.training import train as train_run

Pair = tuple[Any, ...]
"""Inputs and labels, as NumPy arrays, tensors, or what `np.asarray` takes."""


class FittedModel:
    """What `fit` returns; of a run that was made earlier, `FittedModel(ctm.Run.open("runs/mine"))`.

    Args:
        run: a finished one of the task "arrays".

    Attributes:
        run: the same.
        task: its task, which knows the classes.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.task: Arrays = run.experiment.task.build()

    @functools.cached_property
    def model(self) -> ContinuousThoughtMachine:
        """The trained machine of the best validation score, in evaluation mode, on the CPU."""
        return self.run.load_model()

    @property
    def scores(self) -> dict[str, Any]:
        """The scores of the best checkpoint on the test split, such as "accuracy"."""
        *_, line = (line for line in self.run.metrics() if line.get("checkpoint") == "best")
        return {name: value for name, value in line.items() if name not in ("iteration", "split", "checkpoint")}

    @torch.inference_mode()
    def predict(self, x: Any) -> np.ndarray:
        """The labels of samples, (N,) or (N, positions), as they were given to learn from.

        Args:
            x: samples (N, …) of the same shape as those.

        Raises:
            DataError: if they are of another shape, no numbers, or not finite.
        """
        inputs = self.task.inputs(_array("x", x))
        batches = split(inputs, self.run.experiment.training.evaluation_batch)
        return self.task.names(torch.cat([self.task.answer(self.model(batch)) for batch in batches]))


def fit(
    what: str | Config | ContinuousThoughtMachine,
    train: Pair,
    validation: Pair | None = None,
    test: Pair | None = None,
    *,
    run: str | Path,
    iterations: int | None = None,
    quiet: bool = False,
    **training: Any,
) -> FittedModel:
    """Trains on arrays.

    >>> fitted = ctm.fit("arrays", train=(x, y), run="runs/mine", iterations=500)
    >>> fitted.scores["accuracy"], fitted.predict(x[:3])

    Args:
        what: a preset, an experiment, or a machine's configuration. The parts of its model are adapted to the data:
            readout, input channels, and a backbone for inputs of their shape if its own takes none such. Of its task
            only the loss matters, if that is `ctm.TwoTickLoss`; the task "arrays" is used as it is. Or a machine,
            which stays as it is: a new one learns, from its weights on.
        train: inputs (N, features), (N, time, channels) or (N, H, W, C), and whole numbers or text (N,) or
            (N, positions).
        validation: the same, to choose the best checkpoint on; by default a share of `train` is held out.
        test: the same, for the scores; by default a share of `train` is held out.
        run: folder of the new run, like that of `ctm train`; it also keeps the arrays, in its folder `data`, so that
            training can be resumed and all commands work on it.
        iterations: optimiser steps; by default those of the experiment, or of the preset "arrays" for a machine.
        quiet: show no progress.
        training: other fields of `TrainingConfig`.

    Raises:
        ConfigError: for a preset or field that does not exist, a configuration that cannot be adapted, or a machine
            that the data do not fit.
        DataError: if the data cannot be learned from, or published weights that the model starts from not be read.
        RunError: if the folder is not empty, or training was interrupted or diverged.
    """
    task, config, settings = _parts(what)
    pairs = {"train": train, "validation": validation, "test": test}
    given = {name: _samples(name, pair) for name, pair in pairs.items() if pair is not None}
    folder = Path(run).absolute() / "data"
    paths: dict[str, Any] = {name: str(folder / f"{name}.npz") if name in given else None for name in pairs}
    task = task.replace(**paths, inputs_name="x", targets_name="y")
    splits = task.split(given["train"], given.get("validation"), given.get("test"))
    task, model = task.fitted_to(splits, config)
    weights = None
    if isinstance(what, ContinuousThoughtMachine):
        _require_unchanged(config, model)
        weights = what.state_dict()
    else:
        model.backbone.check_weights()
    changes = training if iterations is None else training | {"iterations": iterations}
    settings = TrainingConfig.from_dict(settings.to_dict() | changes, "training")
    created = Run.create(run, Experiment(task, model, settings), weights)
    folder.mkdir()
    for name, samples in given.items():
        np.savez(paths[name], x=samples.inputs, y=samples.targets)
    outcome = train_run(created, quiet=quiet)
    if outcome.interrupted:
        words = f"stopped at iteration {outcome.iteration}; go on with: ctm train --resume {created.path}"
        raise RunError(f"{created.path}: {words}")
    return FittedModel(created)


def _parts(what: str | Config | ContinuousThoughtMachine) -> tuple[Arrays.Config, MachineConfig, TrainingConfig]:
    """A task of arrays, the model and the training of a preset, an experiment or a machine."""
    found = preset(what) if isinstance(what, str) else what
    found = found.config if isinstance(found, ContinuousThoughtMachine) else found
    if isinstance(found, MachineConfig):
        default: Any = preset("arrays")
        return default.task, found, default.training
    if not isinstance(found, Experiment):
        raise ConfigError(f"fit: {type(what).__qualname__}: expected a preset, an Experiment or a machine")
    task, settings = found.task, found.training
    if not isinstance(task, TaskConfig) or not isinstance(settings, TrainingConfig):
        raise ConfigError(f"fit: {what!r:.60}: learns by acting; expected what learns from samples")
    if not isinstance(task, Arrays.Config):
        task = Arrays.Config(loss=task.loss) if isinstance(task.loss, TwoTickLoss) else Arrays.Config()
    return task, found.model, settings


def _require_unchanged(has: MachineConfig, wanted: MachineConfig) -> None:
    """Raises `ConfigError` for the first part of a machine that would have to be another one for the data."""
    for name in ("backbone", "observer", "readout"):
        part, other = getattr(has, name), getattr(wanted, name)
        if part != other:
            raise ConfigError(
                f"fit: the machine's {name} = {part.to_dict()}: these data need {other.to_dict()}; give its "
                "configuration instead, machine.config, to train one that fits from fresh weights"
            )


def _samples(name: str, pair: Pair) -> Samples:
    if len(pair) != 2:
        raise DataError(f"{name}: expected a pair of inputs and labels, (x, y)")
    x, y = (_array(f"{name}: {part}", value) for part, value in zip("xy", pair, strict=True))
    return checked(name, ("x", "y"), x, y)


def _array(where: str, values: Any) -> np.ndarray:
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(f"{where}: not an array ({error})") from None
