"""Reading and writing files, so that a crash at any moment leaves the old or the new, never a half."""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ctm.errors import RunError

ON_WINDOWS = os.name == "nt"


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file's content."""
    temporary = path.with_name(f".{path.name}.writing")
    temporary.write_text(text, encoding="utf-8")
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Waits until a file or a folder's list of names is on the disk; Windows opens no folders, and needs no waiting."""
    if ON_WINDOWS and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows flushes what can be written
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Removes a folder; if that is interrupted, what is left has a hidden name."""
    hidden = folder.with_name(f".{folder.name}.removing")
    shutil.rmtree(hidden, ignore_errors=True)
    os.rename(folder, hidden)
    shutil.rmtree(hidden)


def folder_name(model: str) -> str:
    """The name of a folder for a model, named after a preset, a YAML file or `my_task.py:name`, and perhaps what
    differs in it.

    It has letters, digits and `_ . = + -`, and at most 120 of them: of a longer one, the end is a digest of all.
    """
    without_endings = re.sub(r"\.(ya?ml|py)(?=[ :]|$)", "", model)
    name = re.sub(r"[^\w.=+-]+", "-", without_endings).strip("./-")
    return name if len(name) <= 120 else f"{name[:111]}-{hashlib.sha256(model.encode()).hexdigest()[:8]}"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes tensors, from wherever they are, into a file of safetensors, which only then gets its name."""
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.writing")
    saved = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    temporary.write_bytes(b"")
    mode = temporary.stat().st_mode  # as other files get it; the library makes them readable for the user alone
    save_file(saved, temporary, dict(metadata) if metadata else None)
    temporary.chmod(mode)
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def read_tensors(path: Path, otherwise: str) -> dict[str, Tensor]:
    """The tensors of a file.

    Raises:
        RunError: if it cannot be read, which says what it is `otherwise`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path}: {otherwise}: {error}") from None


def first_misfit(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """In words, the first tensor that is missing, unexpected or of another shape; nothing if there is none."""
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is unexpected"
        if tensors[name].shape != expected[name].shape:
            return f"{name} has shape {tuple(tensors[name].shape)}, expected {tuple(expected[name].shape)}"
    return None
