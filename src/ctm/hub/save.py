"""Saving a trained model with all that is known of it: for colleagues, for the Hugging Face hub, for the package."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from ctm.errors import CheckpointError, ConfigError
from ctm.hub.load import load
from ctm.hub.source import locate, run_of
from ctm.model_card import model_card
from ctm.saving import (
    Plugin,
    SavedModel,
    described,
    in_dtype,
    is_ours,
    needed_plugins,
    write_file,
    write_folder,
)
from ctm.training import Run
from ctm.training.lock import is_empty

CARD = "README.md"
_KEPT = ("preset", "settings", "experiment", "scores", "converted_from")
"""What is kept of a saved model that is saved again."""


def save(
    source: str | Path,
    destination: str | Path,
    *,
    which: Literal["best", "last"] = "best",
    dtype: torch.dtype | None = None,
    license: str | None = None,
    config: Mapping[str, Any] | None = None,
    kind: str | None = None,
    trust_remote_code: bool = False,
    **where: Any,
) -> Path:
    """Saves a trained model, from wherever it is, with its task and scores if they are known.

    Args:
        source: as for `load`.
        destination: NAME.safetensors for a single file, which is replaced if it exists; or a new folder, with a card
            and the pictures that `ctm figures` made of the run.
        which: of a run, the checkpoint of the best validation score, or the last one.
        dtype: of floating-point numbers in the file, such as torch.float16 for half the size; models are loaded in
            float32 all the same.
        license: for the card, as the hub names licences.
        config: as for `load`.
        kind: as for `load`.
        trust_remote_code: as for `load`.
        where: as for `load`.

    Returns:
        the destination.

    Raises:
        ConfigError: if the destination is there already, or its folder is not.
        RunError, CheckpointError: if the source cannot be read.
    """
    destination = Path(destination)
    if destination.suffix in (".pt", ".pth", ".ckpt", ".bin", ".onnx"):
        raise ConfigError(f"{destination}: expected NAME.safetensors or a new folder; ctm export writes .onnx")
    as_file = destination.suffix == ".safetensors"
    if not as_file and destination.exists() and not (destination.is_dir() and is_empty(destination)):
        raise ConfigError(f"{destination}: exists already; expected a new folder, or NAME.safetensors")
    path = locate(source, **where)
    model = load(path, which=which, config=config, kind=kind, trust_remote_code=trust_remote_code)
    known = _known(path, which)
    content, tensors = described(model.config, known.plugins, **known.about), in_dtype(model.state_dict(), dtype)
    if as_file:
        write_file(destination, tensors, content)
        return destination
    title = known.about.get("preset") or Path(source).with_suffix("").name
    card = model_card(content, title, _text(known.about), license, [figure.name for figure in known.figures])
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".saving-") as unfinished:
        folder = Path(unfinished) / "model"
        write_folder(folder, tensors, content, known.plugins)
        for figure in known.figures:
            shutil.copyfile(figure, folder / figure.name)
        card.save(folder / CARD)
        if destination.exists():  # an empty one
            destination.rmdir()
        os.rename(folder, destination)
    return destination


def push(
    source: str | Path,
    repository: str,
    *,
    private: bool | None = None,
    token: str | None = None,
    **saving: Any,
) -> str:
    """Saves a trained model into a repository of the Hugging Face hub, which is made if it does not exist.

    Args:
        source: as for `load`.
        repository: "user/name".
        private: whether a new repository is only the user's; by default as the user's settings are.
        token: of the user; by default the one that `hf auth login` keeps.
        saving: as for `save`.

    Returns:
        the address of what was written.

    Raises:
        CheckpointError: if the hub refuses it, or cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    with tempfile.TemporaryDirectory() as folder:
        saved = save(source, Path(folder) / "model", **saving)
        api = HfApi(token=token)
        try:
            name = api.create_repo(repository, private=private, exist_ok=True).repo_id
            return str(api.upload_folder(repo_id=name, folder_path=saved, commit_message="A trained model"))
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            raise CheckpointError(f"{repository}: not written: {' '.join(str(error).split())}") from None


class _Known(NamedTuple):
    """What is known of a trained model besides its configuration."""

    about: dict[str, Any]
    plugins: list[Plugin]
    figures: list[Path]


def _known(path: Path, which: Literal["best", "last"]) -> _Known:
    found = run_of(path)
    if found is None and not is_ours(path):
        return _Known({"converted_from": path.name}, [], [])
    if found is None:
        saved = SavedModel.open(path)
        return _Known({name: saved.content[name] for name in _KEPT if name in saved.content}, saved.plugins, [])
    experiment = found.experiment.to_dict()
    about: dict[str, Any] = {"experiment": {part: experiment[part] for part in ("task", "training")}}
    figures = []
    if isinstance(found, Run):
        made = found.environment()
        about |= {name: made[name] for name in ("preset", "settings") if made.get(name)}
        about |= {"scores": _scores(found, which)}
        figures = sorted(found.figures.glob("*.png"))
    return _Known(without_folders(about), needed_plugins(found.experiment), figures)


def without_folders(data: Any) -> Any:
    """Nested data in which a path of this machine is the name of its file or folder alone."""
    if isinstance(data, Mapping):
        return {name: without_folders(value) for name, value in data.items()}
    if isinstance(data, list):
        return [without_folders(value) for value in data]
    return Path(data).name if isinstance(data, str) and Path(data).is_absolute() else data


def _scores(run: Run, which: str) -> dict[str, float]:
    """The last scores of a checkpoint on the test split, by name; none if training has not ended."""
    lines = [line for line in run.metrics() if line.get("split") == "test" and line.get("checkpoint") == which]
    return {name: value for name, value in lines[-1].items() if isinstance(value, float)} if lines else {}


def _text(about: Mapping[str, Any]) -> str:
    if "converted_from" in about:
        return f"Weights of the paper's authors, converted from `{about['converted_from']}`."
    general = "A network that thinks, tick by tick, and answers when it is sure."
    if "experiment" not in about:
        return general
    changed = [f"`--{name.replace('_', '-')} {value}`" for name, value in about.get("settings", {}).items()]
    how = f"`ctm train {about['preset']}`" if "preset" in about else "`ctm train`, with the settings below"
    with_changes = f" with {', '.join(changed)}" if changed else ""
    return f"{general} Trained on the task `{about['experiment']['task']['kind']}` by {how}{with_changes}."
