"""Where a trained model is: the folder of a run or of a checkpoint, a saved model, the package, a repository."""

import difflib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from ctm import tasks
from ctm.errors import CheckpointError, RunError
from ctm.files import folder_name
from ctm.hub.zoo import zoo, zoo_folder
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.saving import CONFIG, WEIGHTS, SavedModel, built, described, download, is_ours
from ctm.training import Run
from ctm.training.config import Experiment


@dataclass(frozen=True)
class SavedRun:
    """A trained model whose task is known, without the folder of its training; otherwise like a `Run`."""

    path: Path
    """Its file, or its folder."""
    name: str
    """As it was asked for."""
    saved: SavedModel
    """Its weights, and what is said of them."""
    experiment: Experiment
    """The task, the model and the training."""

    def load_model(
        self, which: Literal["best", "last"] = "best", device: str | torch.device = "cpu"
    ) -> ContinuousThoughtMachine:
        """The model, in evaluation mode.

        Args:
            which: "best", since there is but one.
            device: where to put it.

        Raises:
            RunError: for the last checkpoint.
            CheckpointError: if the weights are broken.
        """
        if which != "best":
            raise RunError(f"{self.name}: checkpoint = {which!r}: expected 'best': a saved model has no other weights")
        model = built(self.experiment.model)
        self.saved.load_into(model)
        return model.to(device).eval()

    @property
    def figures(self) -> Path:
        """Where pictures of it go."""
        return Path("figures") / folder_name(self.path.stem if Path(self.name).exists() else self.name)

    def thinking(self, ticks: int) -> "SavedRun":
        """The same, for so many internal ticks."""
        return replace(self, experiment=self.experiment.thinking(ticks))


def locate(source: str | Path, **where: Any) -> Path:
    """The file or folder of a trained model, downloaded if it is in a repository.

    Args:
        source: a path; the name of a model in the package; a repository, "user/name". A path comes first, if it is that
            of a run, a checkpoint, a saved model or a file.
        where: of a repository, as for `load`.

    Raises:
        CheckpointError: if there is none.
    """
    path, inside = Path(source), zoo_folder(Path(source).as_posix())
    if path.is_file() or _has_weights(path) or (path.is_dir() and inside is None):
        return path
    if inside is not None:
        return inside
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)) or path.parent.is_dir():
        close = difflib.get_close_matches(str(source), zoo(), n=1)
        known = f"did you mean {close[0]!r}?" if close else f"in the package are {', '.join(zoo()) or 'none'}"
        expected = "a run, a checkpoint, a saved model, or a repository user/name"
        raise CheckpointError(f"{source}: no such file or folder; expected {expected}; {known}")
    return download(str(source), **where)


def _has_weights(path: Path) -> bool:
    return any((path / name).is_file() for name in ("config.yaml", CONFIG, WEIGHTS))


def run_of(path: Path) -> "Run | SavedRun | None":
    """The run, or one of its checkpoints, whose folder this is; nothing for anything else.

    Raises:
        RunError: if its configuration cannot be read.
    """
    if (path / "config.yaml").exists():
        return Run.open(path)
    if not (path / "state.json").is_file():
        return None
    folder = path.resolve().parent.parent
    if not (folder / "config.yaml").is_file():
        raise RunError(f"{path}: a checkpoint outside its run: there is no config.yaml two folders above")
    experiment = Run.open(folder).experiment
    return SavedRun(path, str(path), SavedModel(path / WEIGHTS, described(experiment.model)), experiment)


def open_trained(source: str | Path, *, trust_remote_code: bool = False, **where: Any) -> Run | SavedRun:
    """A trained model with its task, from wherever it is.

    Args:
        source: the folder of a run; or a saved model whose task is known: its folder or file, the name of one in the
            package, or a repository.
        trust_remote_code: as for `load`.
        where: as for `load`.

    Raises:
        RunError, CheckpointError, ConfigError: if there is none, it cannot be read, or its task is not known.
    """
    path = locate(source, **where)
    run = run_of(path)
    if run is not None:
        return run
    if not is_ours(path):
        raise RunError(f"{source}: not a run: it has no config.yaml, and is no saved model with a task")
    tasks.load()
    saved = SavedModel.open(path)
    machine = saved.part(MachineConfig, "machine", saved.content.get("machine"), trust_remote_code)
    known = saved.content.get("experiment")
    if known is None:
        raise RunError(f"{source}: a model alone: its task is not known; ctm.load(…) has it in Python")
    experiment = saved.part(Experiment, "experiment", {**known, "model": machine}, trust_remote_code)
    return SavedRun(path, str(source), saved, experiment)
