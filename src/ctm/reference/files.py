"""The files that the authors' code writes, read without running anything that is in them."""

import argparse
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, is_zipfile

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ctm.reference.archives import Archive
from ctm.reference.names import CheckpointError, shown
from ctm.reference.pickles import StoredTensor, Unread

MOST_CONFIG = 2**20
"""How long a `config.json` may be: 1 MiB."""

_BROKEN = (BadZipFile, SafetensorError, OSError, EOFError, RuntimeError, ValueError, OverflowError, struct.error)


def read(source: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state dict in a file or folder, and the arguments stored with it (none if there are none).

    Raises:
        CheckpointError: for a file that is no checkpoint, or holds more than weights and plain values.
        FileNotFoundError: if there is no such file.
    """
    path = source / "model.safetensors" if source.is_dir() else source
    if source.is_dir() and not path.exists():
        raise CheckpointError(
            f"a folder without model.safetensors; it has {_some(entry.name for entry in source.iterdir())}"
        )
    size = _size(path)
    try:
        state_dict, arguments = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path)
    except CheckpointError:
        raise
    except _BROKEN as error:
        raise CheckpointError(f"no checkpoint, or a broken one: {shown(str(error))}") from None
    if (total := sum(tensor.nbytes for tensor in state_dict.values())) > 2 * size:  # some tensors share their numbers
        raise CheckpointError(f"refused: its tensors take {total:,} bytes, more than twice its own {size:,}")
    return state_dict, arguments


def _size(path: Path) -> int:
    """Of a regular file; links to one count."""
    size = path.stat().st_size
    if not path.is_file():
        raise CheckpointError(f"{path.name} is no regular file")
    return size


def _some(names: Any) -> str:
    return shown(", ".join(sorted(map(str, names)))) or "nothing"


def _safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        shared = file.metadata() or {}
    for name, kept in shared.items():  # of tensors that share their numbers, safetensors keeps one
        if kept in tensors:
            tensors.setdefault(name, tensors[kept])
    return tensors, _config(path.with_name("config.json"))


def _config(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    if (size := _size(path)) > MOST_CONFIG:
        raise CheckpointError(f"config.json has {size:,} bytes; expected at most {MOST_CONFIG:,}")
    try:
        content = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"config.json: no JSON that can be read: {shown(str(error))}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"config.json: holds a {type(content).__name__}; expected arguments by name")
    return content


def _checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not is_zipfile(path):
        raise CheckpointError("no checkpoint; expected an archive such as torch.save writes since PyTorch 1.6")
    with ZipFile(path) as file:
        archive = Archive(file, path.stat().st_size)
        content = archive.content()
        if not isinstance(content, Mapping):
            raise CheckpointError(f"holds a {type(content).__name__}; expected a dictionary with model_state_dict")
        for name in ("model_state_dict", "state_dict"):
            if name in content:
                weights = content[name]
                break
        else:
            raise CheckpointError(f"holds {_some(content)}; expected model_state_dict or state_dict")
        if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights):
            raise CheckpointError(f"{name}: expected tensors by name")
        for key, value in weights.items():
            if not isinstance(value, StoredTensor):
                raise CheckpointError(f"{name}: {shown(key)} is a {type(value).__name__}; expected a tensor")
        state_dict = {key: archive.tensor(value) for key, value in weights.items()}
    arguments = content.get("args", {})
    arguments = vars(arguments) if isinstance(arguments, argparse.Namespace) else arguments
    if not isinstance(arguments, dict):
        raise CheckpointError(f"args: holds a {type(arguments).__name__}; expected an argparse.Namespace")
    return state_dict, {key: value for key, value in arguments.items() if not isinstance(value, Unread)}
