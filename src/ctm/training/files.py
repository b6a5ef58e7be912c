"""Writing files so that a crash at any moment leaves the old or the new, never a half."""

import hashlib
import os
import re
import shutil
from pathlib import Path

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
