"""Writing a machine as files that run without PyTorch."""

import copy
import json
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

import ctm
from ctm import runtime
from ctm.errors import ConfigError
from ctm.export.conversion import OPSET, to_model
from ctm.export.graphs import Certainty, Prepare, Tick, example
from ctm.export.int8 import with_int8_weights
from ctm.export.unrolled import unrolled
from ctm.inputs import Inputs
from ctm.machine import ContinuousThoughtMachine
from ctm.runtime.loading import FORMAT, KEY
from ctm.runtime.machine import KEPT

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST = 2 * 10**9
"""Bytes of weights that fit into a file of ONNX."""

CLOSE = 1e-3
"""How far the first answers of what was exported may be from PyTorch's; usually they differ by less than 1e-6."""


def to_onnx(
    model: ContinuousThoughtMachine,
    inputs: Inputs,
    destination: str | Path,
    *,
    int8: bool = False,
    about: dict[str, Any] | None = None,
) -> None:
    """Writes a machine as a folder, to think with it as long as needed, or a whole pass of it as one file.

    >>> ctm.export.to_onnx(model, images, "exported/digits")
    >>> ctm.export.to_onnx(model, images, "digits.onnx")

    `ctm.runtime.load` opens both without PyTorch. docs/export.md says what is in them.

    Args:
        model: in float32; it stays as it is, and is exported as it thinks in evaluation mode.
        inputs: an example, (B, …), of what it takes. What is exported takes any number of samples of these sizes.
        destination: what is not there yet; a name that ends in .onnx for one file.
        int8: keep the weights of linear maps in eight bits.
        about: what else the description shall say, as plain data.

    Raises:
        ConfigError: if there is something already, packages are missing, or the machine cannot be exported.
        TypeError, ValueError: for inputs that the machine does not take.
    """
    destination = Path(destination)
    require_exportable(model)
    require_free(destination)
    model = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    tensors = example(inputs)
    destination.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), tempfile.TemporaryDirectory(dir=destination.parent, prefix=".export-") as folder:
        written = Path(folder) / destination.name
        _write(model, tensors, written, int8, about or {})
        _compare(model, tensors, written, close=None if int8 else CLOSE)
        shutil.move(written, destination)


def require_free(destination: Path) -> None:
    """Raises `ConfigError` if there is something already."""
    if destination.exists():
        raise ConfigError(f"{destination}: exists already; remove it, or choose another name")


def require_exportable(model: Any) -> None:
    """Raises `ConfigError` for what cannot be exported, as far as that can be known without trying."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        needed = "pip install 'continuous-thought-machines[export]'"
        raise ConfigError(f"export: needs {', '.join(missing)}, which is not installed: {needed}")
    if not isinstance(model, ContinuousThoughtMachine):
        raise ConfigError(f"export: {type(model).__name__}: expected a machine; that of an agent is agent.machine")
    if model.interventions:
        raise ConfigError("export: inside model.intervene(…): an exported machine has no interventions; export outside")
    weights = [*model.parameters(), *model.buffers()]
    kinds = {str(weight.dtype) for weight in weights if weight.is_floating_point()}
    if kinds != {"torch.float32"}:
        raise ConfigError(
            f"export: weights of {', '.join(sorted(kinds))}: expected torch.float32, as model.float() has"
        )
    if (size := sum(weight.nbytes for weight in weights)) > LARGEST:
        raise ConfigError(
            f"export: {size / 1e9:.1f} GB of weights: expected 2 GB, which a file of ONNX can hold, or less"
        )


def _write(
    model: ContinuousThoughtMachine, inputs: tuple[Tensor, ...], path: Path, int8: bool, about: dict[str, Any]
) -> None:
    import onnx

    in_one = path.suffix == ".onnx"
    tick = Tick(model, inputs, lesions=not in_one)
    models = {"prepare": to_model(Prepare(model, inputs)), "tick": to_model(tick)}
    description: dict[str, Any] = _description(model, inputs, tick, models) | {"int8": int8, "about": about}
    if in_one:
        ticks = description["shown"] + description["ticks"]
        models = {path.stem: unrolled(models["prepare"], models["tick"], ticks)}
    else:
        models["certainty"] = to_model(Certainty(model, inputs))
        path.mkdir()
        (path / "machine.json").write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    for name, each in models.items():
        each = with_int8_weights(each) if int8 else each
        onnx.helper.set_model_props(each, {KEY: json.dumps(description)})
        onnx.save(each, path if in_one else path / f"{name}.onnx")


def _description(
    model: ContinuousThoughtMachine, inputs: tuple[Tensor, ...], tick: Tick, models: dict[str, "ModelProto"]
) -> dict[str, Any]:
    """All that one needs to know to use the graphs."""
    state = [name for name in tick.inputs if name not in (KEPT, *tick.prepared_names)]
    return {
        "format": FORMAT,
        "ctm": ctm.__version__,
        "opset": OPSET,
        "inputs": _tensors(models["prepare"].graph.input),
        "prepared": tick.prepared_names,
        "state": {name: tensor for name, tensor in _tensors(models["tick"].graph.input).items() if name in state},
        "neurons": model.config.core.neurons,
        "answer": list(model.readout.shape),
        "readout": model.config.readout.to_dict(),
        "ticks": model.config.ticks,
        "shown": model.observer.shown(inputs if len(inputs) > 1 else inputs[0]),
        "attention": tick.attends,
        "grid": list(tick.prepared.observer.grid),
    }


def _tensors(values: Any) -> dict[str, Any]:
    """Shape and type of tensors by name."""
    from onnx import helper

    return {
        value.name: {
            "shape": [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim],
            "type": str(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
        }
        for value in values
    }


def _compare(model: ContinuousThoughtMachine, inputs: tuple[Tensor, ...], path: Path, close: float | None) -> None:
    """Thinks with what was written, about several samples and about one, and compares the first answers.

    Args:
        close: how far they may be apart; nothing for any distance that is a number, as with weights in eight bits.

    Raises:
        ConfigError: if they are others.
    """
    loaded = runtime.load(path, threads=1)
    for samples in (inputs, tuple(tensor[:1] for tensor in inputs)):
        expected = model(samples, ticks=2).logits.numpy()  # (B, 2, *answer, C)
        found = loaded(*(tensor.numpy() for tensor in samples)).logits[:, :2]
        apart = np.abs(found - expected[:, : found.shape[1]]).max()
        if not np.isfinite(apart) or (close is not None and apart > close * max(1.0, np.abs(expected).max())):
            raise ConfigError(
                f"export: what was exported answers otherwise than the machine, by {apart:.2g}; parts of one's own "
                "must do the same at every call, without random numbers and without a memory besides their state"
            )
