"""Opening what was exported."""

import json
from pathlib import Path
from typing import Any

from ctm.errors import DataError
from ctm.runtime.machine import Machine
from ctm.runtime.session import Session
from ctm.runtime.whole_pass import WholePass

FORMAT = 2
"""Version of the description of an exported machine."""

KEY = "ctm"
"""Where the description stands among the metadata of an ONNX file."""


def load(path: str | Path, threads: int | None = None) -> Machine | WholePass:
    """Opens an exported machine.

    Args:
        path: a folder or an .onnx file that `ctm export` wrote.
        threads: how many to compute with; by default as many as there are cores.

    Raises:
        ConfigError: without ONNX Runtime.
        DataError: if there is none, or it is broken or of another version.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.is_file():
            raise DataError(f"{path}: there is no such folder or file; expected what 'ctm export' wrote")
        session = Session(path, threads)
        return WholePass(session, _parsed(path, session.metadata.get(KEY, "")))
    try:
        text = (path / "machine.json").read_text("utf-8")
    except OSError:
        raise DataError(f"{path}: has no machine.json; expected a folder that 'ctm export' wrote") from None
    return Machine(path, _parsed(path, text), threads)


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        description = json.loads(text)
        version = description["format"]
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: says nothing about a machine; expected what 'ctm export' wrote") from None
    if version != FORMAT:
        raise DataError(f"{path}: format = {version}: expected {FORMAT}; export it again with this version of ctm")
    return description
