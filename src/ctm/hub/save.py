"""Saving a trained model with all that is known of it: for colleagues, for the Hugging Face hub, for the package."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from ctm.errors import CheckpointError, ConfigError
from ctm.hub.load import load
from ctm.hub.source import locate, run_of
from ctm.model_card import model_card
from ctm.saving import SavedModel, described, in_dtype, is_ours, write_file, write_folder
from ctm.training import Run
from ctm.training.lock import is_empty

CARD = "README.md"


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
        config, kind, trust_remote_code, where: as for `load`.

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
    about, figures = _about(path, which)
    content, tensors = described(model.config, **about), in_dtype(model.state_dict(), dtype)
    if as_file:
        write_file(destination, tensors, content)
        return destination
    write_folder(destination, tensors, content, model.config)
    for figure in figures:
        shutil.copyfile(figure, destination / figure.name)
    title = about.get("preset") or Path(source).with_suffix("").name
    card = model_card(content, title, _text(about), license, [figure.name for figure in figures])
    card.save(destination / CARD)
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


def _about(path: Path, which: Literal["best", "last"]) -> tuple[dict[str, Any], list[Path]]:
    """What is known of a trained model besides its configuration, and the pictures of its run."""
    found = run_of(path)
    if isinstance(found, Run):
        made, experiment = found.environment(), found.experiment.to_dict()
        origin = {name: made[name] for name in ("preset", "settings") if made.get(name)}
        known = {"experiment": {"task": experiment["task"], "training": experiment["training"]}}
        return _without_folders({**origin, **known, "scores": _scores(found, which)}), sorted(
            found.figures.glob("*.png")
        )
    if found is not None:
        experiment = found.experiment.to_dict()
        return _without_folders({"experiment": {"task": experiment["task"], "training": experiment["training"]}}), []
    if is_ours(path):
        content = SavedModel.open(path).content
        return {name: content[name] for name in ("preset", "settings", "experiment", "scores") if name in content}, []
    return {"converted_from": path.name}, []


def _without_folders(data: Any) -> Any:
    """Nested data in which a path of this machine is the name of its file or folder alone."""
    if isinstance(data, Mapping):
        return {name: _without_folders(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_without_folders(value) for value in data]
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
