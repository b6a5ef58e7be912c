"""The files that the authors' code writes, read without running anything that is in them."""

import argparse
import json
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ctm.reference.names import CheckpointError


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state dict in a file, and the arguments stored with it (none if there are none).

    Raises:
        CheckpointError: for a file that is no checkpoint or holds more than numbers and plain containers.
        FileNotFoundError: if there is no such file.
    """
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_checkpoint(path)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    config = path.with_name("config.json")
    try:
        return load_file(path), json.loads(config.read_text()) if config.exists() else {}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: no weights that can be read: {error}") from error


def _read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with torch.serialization.safe_globals(_harmless()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it uses_query for {culprit[1]}" if culprit else "it is no checkpoint, or a broken one"
        raise CheckpointError(f"{path}: refused, only weights and plain values are read: {reason}") from None
    except (RuntimeError, EOFError) as error:
        raise CheckpointError(f"{path}: no checkpoint that can be read: {error}") from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}; expected a dictionary with model_state_dict")
    arguments = content.get("args", {})
    arguments = vars(arguments) if isinstance(arguments, argparse.Namespace) else arguments
    for name in ("model_state_dict", "state_dict"):
        if name in content:
            return dict(content[name]), dict(arguments)
    raise CheckpointError(f"{path}: holds {', '.join(map(str, content))}; expected model_state_dict or state_dict")


def _harmless() -> list[Any]:
    """What the authors' checkpoints hold besides tensors: arguments, and metrics and random states of numpy.

    numpy 1 and 2 name the module of its two reconstructing functions differently.
    """
    reconstruct, scalar = numpy.empty(0).__reduce__()[0], numpy.float64(0).__reduce__()[0]
    modules = ("numpy.core.multiarray", "numpy._core.multiarray")
    functions = [(reconstruct, f"{module}._reconstruct") for module in modules]
    functions += [(scalar, f"{module}.scalar") for module in modules]
    types = [kind for name, kind in vars(numpy.dtypes).items() if name.endswith("DType")]
    return [argparse.Namespace, numpy.ndarray, numpy.dtype, *functions, *types]
