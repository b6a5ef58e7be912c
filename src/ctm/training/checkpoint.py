"""A checkpoint: a folder of three files, written completely or not at all.

* `model.safetensors`: weights and buffers, by their names in the model
* `training.safetensors`: what the optimiser and the clipping remember
* `state.json`: the iteration and other single numbers
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ctm.errors import RunError
from ctm.files import first_misfit, read_tensors, remove_folder, sync, write_tensors


@dataclass(frozen=True)
class Checkpoint:
    """A finished checkpoint on disk."""

    path: Path
    """Its folder, named after the iteration."""

    @property
    def iteration(self) -> int:
        """How many optimiser steps were done."""
        return int(self.path.name)

    def state(self) -> dict[str, Any]:
        """The content of `state.json`.

        Raises:
            RunError: if it cannot be read, or a field is missing or of another type.
        """
        path = self.path / "state.json"
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: broken checkpoint: {error}") from None
        _require(path, "", state, _STATE)
        _require(path, "best.", state["best"], _BEST)
        if state["iteration"] != self.iteration:
            raise RunError(f"{path}: broken checkpoint: iteration = {state['iteration']}: expected {self.iteration}")
        return state

    def load_weights(self, model: nn.Module) -> None:
        """Loads weights and buffers into a model that must have exactly these."""
        model.load_state_dict(self.tensors("model.safetensors", model.state_dict()))

    def tensors(self, name: str, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Reads one of the files of tensors.

        Args:
            name: the file.
            expected: tensors of the names and shapes that it must have.

        Raises:
            RunError: if the file cannot be read, or a tensor is missing, unexpected or of another shape: the file is
                whole, so it is the configuration that was changed.
        """
        path = self.path / name
        tensors = read_tensors(path, "broken checkpoint")
        misfit = first_misfit(tensors, expected)
        if misfit is not None:
            advice = "put back the config.yaml that the run was made with, or train a new run with this one"
            raise RunError(f"{path}: does not fit the run's config.yaml: {misfit}; {advice}")
        return tensors


_STATE = {"iteration": int, "seconds": float, "best": dict, "scaler": dict}
_BEST = {"iteration": int, "score": float}
_WORDS: Mapping[type, str] = {int: "a whole number", float: "a number", dict: "an object"}


def _require(path: Path, where: str, found: Any, expected: Mapping[str, type]) -> None:
    """Raises `RunError` unless what was found in a JSON file is an object with these fields."""
    if not isinstance(found, dict):
        raise RunError(f"{path}: broken checkpoint: expected an object, not {found!r:.40}")
    for name, kind in expected.items():
        if name not in found:
            raise RunError(f"{path}: broken checkpoint: {where}{name} is missing")
        if type(found[name]) is not kind and (type(found[name]), kind) != (int, float):
            value = f"{where}{name} = {found[name]!r:.40}"
            raise RunError(f"{path}: broken checkpoint: {value}: expected {_WORDS[kind]}")


def checkpoints(folder: Path) -> list[Checkpoint]:
    """The complete checkpoints in a folder, oldest first."""
    found = [Checkpoint(path) for path in folder.glob("*") if re.fullmatch(r"\d{8,}", path.name)]
    return sorted(found, key=lambda checkpoint: checkpoint.iteration)


def save_checkpoint(
    folder: Path, weights: Mapping[str, Tensor], training: Mapping[str, Tensor], state: Mapping[str, Any]
) -> Checkpoint:
    """Writes a checkpoint into a temporary folder, waits for the disk, and gives it its name.

    Args:
        folder: where the checkpoints of the run are.
        weights: the model's tensors.
        training: tensors of the optimiser and the clipping.
        state: numbers; "iteration" names the checkpoint.
    """
    final = folder / f"{state['iteration']:08d}"
    temporary = folder / f".{final.name}.writing"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, tensors in (("model.safetensors", weights), ("training.safetensors", training)):
        write_tensors(temporary / name, tensors)
    (temporary / "state.json").write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
    for path in (*temporary.iterdir(), temporary):
        sync(path)
    os.rename(temporary, final)
    sync(folder)
    return Checkpoint(final)


def prune(folder: Path, keep: int, best: int | None) -> None:
    """Removes all but the `keep` latest checkpoints and the `best`, and what crashes left behind."""
    for leftover in folder.glob(".*"):
        shutil.rmtree(leftover)
    for checkpoint in checkpoints(folder)[:-keep]:
        if checkpoint.iteration != best:
            remove_folder(checkpoint.path)
