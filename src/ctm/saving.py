"""Saved models: a configuration and weights, in a folder as the Hugging Face hub has it or in a single file.

A folder has `config.json`, `model.safetensors` and a card, `README.md`; a single file, `NAME.safetensors`, has the
content of `config.json` in its metadata. That content is

    {"format": "continuous-thought-machine", "version": 1, "made_by": "0.1.0",   # of this library
     "machine": {…},                 # the configuration of the model
     "plugins": [{"file": …, "sha256": …}, {"module": …}],    # what defines parts that are not of this library
     "experiment": {"task": …, "training": …}, "scores": {…}, …}                # of a trained one

Nothing in a saved model is executed: what defines parts of others is imported only by whoever loads it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from huggingface_hub import ModelCard, ModelHubMixin
from torch import Tensor, nn

import ctm
from ctm import plugins
from ctm.backbones import without_published_weights
from ctm.config import Config
from ctm.errors import CheckpointError, ConfigError
from ctm.files import first_misfit, read_tensors, write_atomically, write_tensors
from ctm.model_card import model_card

PretrainedT = TypeVar("PretrainedT", bound="Pretrained")

FORMAT, VERSION = "continuous-thought-machine", 1
CONFIG, WEIGHTS = "config.json", "model.safetensors"


Plugin = Mapping[str, str]
"""What defines parts of others: {"file": …, "sha256": …} or {"module": …}."""


def needed_plugins(config: Config) -> list[Plugin]:
    """What defines the parts of a configuration that are not of this library; files by their paths."""
    return json.loads(plugins.record(config) or "[]")


def described(machine: Config, needed: Sequence[Plugin] | None = None, **more: Any) -> dict[str, Any]:
    """The content of `config.json`.

    Args:
        machine: the configuration of the model.
        needed: what defines parts of others; by default those of the model.
        more: what else is known, ready for JSON.
    """
    needed = needed_plugins(machine) if needed is None else needed
    named = [{**entry, "file": Path(entry["file"]).name} if "file" in entry else dict(entry) for entry in needed]
    head = {"format": FORMAT, "version": VERSION, "made_by": ctm.__version__}
    return {**head, "machine": machine.to_dict(), "plugins": named, **more}


@dataclass(frozen=True)
class SavedModel:
    """A model on disk, whose weights have not been read yet."""

    weights: Path
    """The file of its weights."""
    content: Mapping[str, Any]
    """What `described` made."""

    @classmethod
    def open(cls, path: str | Path) -> "SavedModel":
        """Reads what a saved model says of itself.

        Args:
            path: its folder, or its file.

        Raises:
            CheckpointError: if there is none, or one of a later version, or of something else.
        """
        path = Path(path)
        weights = path / WEIGHTS if path.is_dir() else path
        if not weights.is_file():
            raise CheckpointError(
                f"{weights}: no such file; expected a saved model, its folder or its .safetensors file"
            )
        try:
            source, text = _description(weights)
            content = json.loads(text)
        except (OSError, ValueError) as error:
            expected = f"expected its configuration in its metadata, or in {CONFIG} beside it"
            raise CheckpointError(f"{weights}: {expected}: {error}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise CheckpointError(f"{source}: not of a model that this library saved: expected format: {FORMAT!r}")
        made_by = content.get("made_by")
        if content.get("version") != VERSION:
            raise CheckpointError(
                f"{source}: version = {content.get('version')!r}: expected {VERSION}; made by {_package(made_by)}, "
                f"this is {ctm.__version__}: install the version that made it"
            )
        for name, expected in (("plugins", list), ("experiment", dict), ("scores", dict), ("settings", dict)):
            if not isinstance(content.get(name, expected()), expected):
                kind = "a list" if expected is list else "an object"
                raise CheckpointError(f"{source}: {name} = {content[name]!r:.40}: expected {kind}")
        for entry in content.get("plugins", []):
            if not (isinstance(entry, dict) and isinstance(entry.get("file", entry.get("module")), str)):
                raise CheckpointError(f"{source}: plugins: {entry!r:.40}: expected the name of a file or a module")
        return cls(weights, content)

    @property
    def plugins(self) -> list[Plugin]:
        """What defines parts of others, files by where they are beside the weights."""
        entries = self.content.get("plugins", [])
        return [{**entry, "file": str(self._beside(entry))} if "file" in entry else entry for entry in entries]

    def _beside(self, entry: Plugin) -> Path:
        return self.weights.parent / Path(entry["file"]).name

    def part(self, cls: type[Config], name: str, data: Any, trust_remote_code: bool = False) -> Any:
        """A configuration out of the content.

        Args:
            cls: its class.
            name: what it is, for messages.
            data: its fields.
            trust_remote_code: import what defines parts that are not of this library, if they are not known yet:
                installed modules by their names, and files that are in the folder.

        Raises:
            ConfigError: if it is none; the message says which version of the library made it.
            CheckpointError: if it has parts that only code that was not imported defines.
        """
        plugins.load_installed()
        try:
            return cls.from_dict(data, name)
        except ConfigError as error:
            needed = self.content.get("plugins") or []
            if not needed:
                made_by = self.content.get("made_by")
                raise ConfigError(
                    f"{self.weights.parent}: {error} (made by {_package(made_by)}, this is {ctm.__version__})"
                ) from None
            if not trust_remote_code:
                names = " and ".join(str(entry.get("file", entry.get("module"))) for entry in needed)
                raise CheckpointError(
                    f"{self.weights.parent}: has parts that {names} defines, which is not run by itself: if you trust "
                    f"it, import it first (--import), or give trust_remote_code=True ({error})"
                ) from None
        for entry in needed:
            plugins.load(self._trusted(entry))
        return cls.from_dict(data, name)

    def _trusted(self, entry: Plugin) -> str | Path:
        """The module or file of an entry of `plugins`, the file with the content it had when the model was saved."""
        if "file" not in entry:
            return entry["module"]
        path = self._beside(entry)
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; it defines parts of the model: import it from where it is")
        if plugins.digest(path) != entry.get("sha256"):
            raise CheckpointError(f"{path}: has changed since the model was saved; import it yourself if you trust it")
        return path

    def load_into(self, model: nn.Module) -> None:
        """Gives a model the weights.

        Raises:
            CheckpointError: if they cannot be read, or are not those of such a model.
        """
        tensors = read_tensors(self.weights, "broken weights")
        misfit = first_misfit(tensors, model.state_dict())
        if misfit is not None:
            raise CheckpointError(f"{self.weights}: does not fit its configuration: {misfit}")
        model.load_state_dict(tensors)


def is_ours(path: Path) -> bool:
    """Whether a folder or a file says that it is a model that this library saved.

    Raises:
        CheckpointError: if its weights are broken.
    """
    weights = path / WEIGHTS if path.is_dir() else path
    if weights.suffix != ".safetensors" or not weights.is_file():
        return False
    try:
        return json.loads(_description(weights)[1]).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def _description(weights: Path) -> tuple[Path, str]:
    """Where a file of weights is described, and the text: in its own metadata, or in a file beside it.

    Raises:
        CheckpointError: if the file is broken.
        OSError, UnicodeDecodeError: if it is described nowhere.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, "pt") as opened:
            metadata = opened.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{weights}: broken weights: {error}") from None
    if "config" in metadata:
        return weights, metadata["config"]
    beside = weights.with_name(CONFIG)
    return beside, beside.read_text(encoding="utf-8")


def _package(version: Any) -> str:
    return f"continuous-thought-machines=={version}"


def write_file(path: str | Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Saves a model as a single file; one that is there is replaced.

    Raises:
        ConfigError: if it is not called `.safetensors`, or its folder does not exist.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ConfigError(f"{path}: expected a name that ends in .safetensors")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}")
    write_tensors(path, tensors, {"format": "pt", "config": json.dumps(content)})


def write_folder(
    folder: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any], needed: Sequence[Plugin]
) -> None:
    """Saves a model as a folder, with the files that define parts of it, where they are there, beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry in needed:
        if "file" in entry and Path(entry["file"]).is_file():
            shutil.copyfile(entry["file"], folder / Path(entry["file"]).name)
    write_tensors(folder / WEIGHTS, tensors, {"format": "pt"})
    write_atomically(folder / CONFIG, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


class Pretrained(ModelHubMixin):
    """Saving and loading, for a module that is made of a configuration alone.

    `save_pretrained(folder)` and `push_to_hub("user/name")` come from the library of the Hugging Face hub.
    """

    config: Any
    config_class: ClassVar[type[Config]]

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Saves configuration and weights as a single file, for `ctm.load`.

        Args:
            path: NAME.safetensors; a file that is there is replaced.
            dtype: of floating-point numbers in the file; by default those of the model.

        Raises:
            ConfigError: if it is not called so, its folder does not exist, or the model has a part that could not be
                read back.
        """
        write_file(path, in_dtype(self.state_dict(), dtype), described(self.config))  # ty: ignore

    def _save_pretrained(self, save_directory: Path) -> None:
        content, needed = described(self.config), needed_plugins(self.config)
        write_folder(save_directory, self.state_dict(), content, needed)  # ty: ignore

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The card of a model of which nothing but its configuration is known.

        Args:
            args, kwargs: `title`, `text` and `license`, of `ctm.model_card.model_card`.
        """
        return model_card(described(self.config), *args, **kwargs)

    @classmethod
    def from_pretrained(
        cls: type[PretrainedT],
        source: str | Path,
        *,
        trust_remote_code: bool = False,
        **where: Any,
    ) -> PretrainedT:  # ty: ignore
        """Loads a saved model.

        Args:
            source: a folder, a `.safetensors` file, or a repository of the hub, "user/name".
            trust_remote_code: import what defines parts of others, if it was not imported before.
            where: of a repository: `revision`, `token`, `cache_dir`, `force_download`, `local_files_only`.

        Returns:
            the model in evaluation mode, in float32, on the CPU.

        Raises:
            CheckpointError, ConfigError: if there is none, or it cannot be read.
        """
        path = Path(source) if Path(source).exists() else download(str(source), **where)
        saved = SavedModel.open(path)
        model = built(saved.part(cls.config_class, "machine", saved.content.get("machine"), trust_remote_code))
        saved.load_into(model)
        return model.eval()


def built(config: Any) -> Any:
    """A model whose fresh weights are soon overwritten: none are fetched, and the global random state stays."""
    with torch.random.fork_rng(devices=[]), without_published_weights():
        return config.build()


def in_dtype(tensors: Mapping[str, Tensor], dtype: torch.dtype | None) -> Mapping[str, Tensor]:
    """Tensors with all floating-point numbers in another type."""
    if dtype is None:
        return tensors
    return {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def download(repository: str, **where: Any) -> Path:
    """The folder of a repository of the Hugging Face hub: configuration, weights, card and files of code, not run.

    Raises:
        CheckpointError: if it cannot be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=["*.json", "*.safetensors", "*.md", "*.py"], **where))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        words = " ".join(str(error).split())
        raise CheckpointError(f"{repository}: no such file or folder, and not had from the hub: {words}") from None
