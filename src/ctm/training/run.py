"""A run: the folder where an experiment's configuration, metrics and checkpoints are."""

import json
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

import ctm
from ctm import plugins, tasks
from ctm.config import to_yaml
from ctm.errors import ConfigError, RunError
from ctm.files import first_misfit, read_tensors, write_atomically, write_tensors
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.saving import built
from ctm.training.checkpoint import Checkpoint, checkpoints
from ctm.training.config import Experiment
from ctm.training.lock import is_empty, locked
from ctm.training.metric_log import read_lines

INITIAL_WEIGHTS = "weights.safetensors"
"""What a run starts from, if not from fresh weights."""

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")  # set by whatever started several processes


class RunExists(RunError):
    """The folder of a new run has something in it already."""


class Run:
    """A training run on disk.

    * `config.yaml`: the experiment
    * `weights.safetensors`: of a run that does not start from fresh weights, those that it starts from
    * `plugins.json`: for an experiment with parts of the user's own, what defines them
    * `environment.json`: versions of what made it, and the preset that it is of
    * `metrics.jsonl`: a line for every logged step and every evaluation, the same for the same seed
    * `timing.jsonl`: how long it took
    * `tensorboard/`: the same metrics, for TensorBoard
    * `checkpoints/00001000/`: weights, and everything needed to go on

    Made by `Run.create` or `Run.open`.

    Attributes:
        path: the folder.
        experiment: the task, the model and the training.
    """

    def __init__(self, path: Path, experiment: Experiment) -> None:
        self.path = path
        self.experiment = experiment

    @classmethod
    def create(
        cls,
        path: str | Path,
        experiment: Experiment,
        weights: Mapping[str, Tensor] | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> "Run":
        """Makes the folder of a new run; of several processes, the first one does and the others wait.

        Args:
            path: the folder.
            experiment: what to train.
            weights: what the model starts from, as another one's `state_dict()` gives it; by default fresh weights.
            origin: where the experiment comes from, ready for JSON, to be kept in `environment.json`: the name of its
                "preset", and the "settings" that were changed.

        Raises:
            RunExists: if the folder is not empty.
            RunError: if another process makes a run there at this moment.
            ConfigError: for a value that could not be read back, or weights of another model.
        """
        path = Path(path)
        if another_process_writes(experiment):
            return cls._wait(path)
        if weights is not None:
            _require_fitting(weights, experiment.model)
        cls._require_empty(path)  # nothing is written into a folder of something else
        text, needed = to_yaml(experiment), plugins.record(experiment)
        path.mkdir(parents=True, exist_ok=True)
        with locked(path):
            cls._require_empty(path)
            (path / "checkpoints").mkdir()
            versions = {"ctm": _version("continuous-thought-machines"), "torch": torch.__version__}
            versions |= {"lightning": _version("lightning"), "python": platform.python_version()}
            versions |= origin or {}
            write_atomically(path / "environment.json", json.dumps(versions, indent=2) + "\n")
            if needed is not None:
                write_atomically(path / plugins.RECORD, needed)
            if weights is not None:
                write_tensors(path / INITIAL_WEIGHTS, weights)
            write_atomically(path / "config.yaml", text)
        return cls(path, experiment)

    @staticmethod
    def _require_empty(path: Path) -> None:
        if path.exists() and not (path.is_dir() and is_empty(path)):
            raise RunExists(f"{path}: exists already; go on with it, remove it, or choose another folder")

    @classmethod
    def _wait(cls, path: Path, iterations: int | None = None, seconds: float = 60) -> "Run":
        """The run that the first process makes, or gives so many iterations."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (path / "config.yaml").exists():
                run = cls.open(path)
                if iterations is None or run.experiment.training.iterations == iterations:
                    return run
            time.sleep(0.1)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Opens the folder of an existing run, after importing what defines parts of its configuration.

        Raises:
            RunError: if it is not one, or its configuration cannot be read, or what defines parts of it is gone.
        """
        tasks.load()
        path = Path(path)
        if not (path / "config.yaml").exists():
            raise RunError(f"{path}: not a run: it has no config.yaml")
        try:
            return cls(path, plugins.read_config(Experiment, path / "config.yaml"))
        except ConfigError as error:
            raise RunError(f"{error}{_made_by(path)}") from None

    def extended(self, iterations: int) -> "Run":
        """The same run with more iterations, for `train` to go on with; it says so in its `config.yaml` from now on.

        What was done stays as it was, the scores on the test split at the old end too. The steps from the last
        checkpoint on are those of a run of the new length: the learning rate is where the longer schedule is by then.

        Args:
            iterations: of the whole run, those that were done included.

        Raises:
            RunError: if it has so many already, or another process writes the run.
        """
        if another_process_writes(self.experiment):
            return self._wait(self.path, iterations)
        with locked(self.path):
            experiment = Run.open(self.path).experiment
            training = experiment.training
            if iterations <= training.iterations:
                raise RunError(
                    f"{self.path}: iterations = {iterations}: expected more than the {training.iterations} that the "
                    f"run has already; without a number it goes on to these: ctm train --resume {self.path}"
                )
            longer = experiment.replace(training=training.replace(iterations=iterations))
            write_atomically(self.path / "config.yaml", to_yaml(longer))
        return Run(self.path, longer)

    @property
    def figures(self) -> Path:
        """The folder of its pictures."""
        return self.path / "figures"

    def thinking(self, ticks: int) -> "Run":
        """The same run, whose model thinks for so many internal ticks."""
        return Run(self.path, self.experiment.thinking(ticks))

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`, in order.

        Training lines have "iteration" (steps done), "loss", "certainty", the primary metric, "learning_rate" and
        "gradient_norm", all of that step's batch; evaluation lines have "iteration", "split", "loss" and the scores
        of the task, and those of the test split, which come at the end, "checkpoint": "last" or "best"; of an extended
        run also at its earlier ends. A last line that was not written to its end is left out.

        Raises:
            RunError: if a line is broken.
        """
        return read_lines(self.path / "metrics.jsonl")

    def complete_metrics(self) -> list[dict[str, Any]]:
        """The same lines, after a look at whether all are there that were written before the latest checkpoint.

        A checkpoint of a version that did not count them yet is not looked at.

        Raises:
            RunError: if some are missing, or there is no checkpoint.
        """
        lines, latest = self.metrics(), self.latest()
        found = sum(line["iteration"] <= latest.iteration for line in lines)
        expected = latest.state().get("lines", found)
        if found != expected:
            last = lines[-1]["iteration"] if lines else "none"
            raise RunError(
                f"{self.path / 'metrics.jsonl'}: {found} lines up to the checkpoint of iteration {latest.iteration}, "
                f"expected {expected}; the last one is of iteration {last}; bring the file back, or remove the run's "
                "folder and train again"
            )
        return lines

    def environment(self) -> dict[str, Any]:
        """What made the run: versions, and the preset with the settings that were changed, if it is of one.

        Raises:
            RunError: if it cannot be read.
        """
        path = self.path / "environment.json"
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path}: cannot be read: {error}") from None

    def initial_weights(self) -> dict[str, Tensor] | None:
        """What the run starts from; nothing for fresh weights.

        Raises:
            RunError: if they cannot be read.
        """
        path = self.path / INITIAL_WEIGHTS
        return read_tensors(path, "broken weights") if path.exists() else None

    def checkpoints(self) -> list[Checkpoint]:
        """The complete checkpoints, oldest first."""
        return checkpoints(self.path / "checkpoints")

    def latest(self) -> Checkpoint:
        """The last checkpoint.

        Raises:
            RunError: if there is none.
        """
        found = self.checkpoints()
        if not found:
            raise RunError(f"{self.path}: no checkpoint yet")
        return found[-1]

    def best(self) -> Checkpoint:
        """The checkpoint of the best primary metric on the validation split.

        Raises:
            RunError: if there is none.
        """
        latest = self.latest()
        path = latest.path.with_name(f"{latest.state()['best']['iteration']:08d}")
        if not path.is_dir():
            raise RunError(f"{path}: the best checkpoint is gone")
        return Checkpoint(path)

    def load_model(
        self, which: Literal["best", "last"] = "best", device: str | torch.device = "cpu"
    ) -> ContinuousThoughtMachine:
        """The trained model, in evaluation mode.

        Args:
            which: the checkpoint of the best validation score, or the last one.
            device: where to put it.

        Raises:
            RunError: if there is no checkpoint, or it is broken.
        """
        checkpoint = self.best() if which == "best" else self.latest()
        model = built(self.experiment.model)
        checkpoint.load_weights(model)
        return model.to(device).eval()


def _made_by(path: Path) -> str:
    """For messages: the version that made a run, if it is known, and this one."""
    try:
        version = json.loads((path / "environment.json").read_text(encoding="utf-8"))["ctm"]
    except (OSError, ValueError, TypeError, KeyError):
        return ""
    return f" (made by continuous-thought-machines=={version}, this is {ctm.__version__})"


def _require_fitting(weights: Mapping[str, Tensor], config: MachineConfig) -> None:
    misfit = first_misfit(weights, built(config).state_dict())
    if misfit is not None:
        raise ConfigError(f"weights: do not fit the model: {misfit}; train the model that they are of")


def another_process_writes(experiment: Experiment) -> bool:
    """Whether this is one of several processes of a training, and not the first, which writes and speaks for all."""
    several = experiment.training.devices * experiment.training.nodes > 1
    return several and any(os.environ.get(rank, "0") != "0" for rank in _RANKS)


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
