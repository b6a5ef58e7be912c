"""A page as files for any web server: the modules, the runtime, a machine and what its task shows."""

import base64
import inspect
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

import ctm
from ctm.errors import ConfigError, DataError
from ctm.export import to_onnx
from ctm.export.files import require_exportable, require_free
from ctm.hub import open_trained
from ctm.hub.save import without_folders
from ctm.inputs import Inputs, as_tuple
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import BaseTaskConfig, Batch

HERE = Path(__file__).parent
RUNTIME = HERE / "runtime"
SAMPLES = 40
"""Test samples to choose from, of each size."""


class Unknown(NamedTuple):
    """Inputs that are only there to say of what shape they are."""

    inputs: Inputs
    targets: None = None


def write(
    source: str | Path,
    destination: str | Path,
    *,
    checkpoint: Literal["best", "last"] = "best",
    ticks: int | None = None,
) -> None:
    """Writes a page with a trained machine, for any web server; nothing is loaded from elsewhere when it runs.

    >>> ctm.page.write("digits", "site")

    Args:
        source: a run, a saved model with its task, one in the package, or a repository.
        destination: a folder that is not there yet.
        checkpoint: of a run, the one with the best validation score, or the last one.
        ticks: of a pass; by default as many as in training. The page can think longer.

    Raises:
        ConfigError: if there is something already, the page's runtime or packages are missing, or the machine cannot
            be exported.
        RunError, CheckpointError: if there is no such model, or it cannot be read.
    """
    source, destination = str(source), Path(destination)
    require_free(destination)
    if not RUNTIME.is_dir():
        raise ConfigError(f"{RUNTIME}: the page's runtime is not there: in a clone of the repository, say 'make page'")
    opened = open_trained(source)
    opened = opened if ticks is None else opened.thinking(ticks)
    task, model = opened.experiment.task, opened.load_model(checkpoint)
    require_exportable(model)
    samples, data = _of_the_task(task, model)
    about = {"source": source, "task": without_folders(task.to_dict())}
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=".page-") as folder:
        site = Path(folder) / "site"
        shutil.copytree(HERE, site / "page", ignore=shutil.ignore_patterns("*.py", "*.html", "*.d.ts", "__pycache__"))
        shutil.copyfile(HERE / "index.html", site / "index.html")
        models = []
        for place, (name, batch) in enumerate(samples.items()):
            to_onnx(model, _some(batch.inputs), site / "model" / str(place), about=about)
            (site / "model" / str(place) / "certainty.onnx").unlink()  # a page answers with a single tick's answer
            models.append({"name": name, "folder": f"model/{place}", "samples": _stored(batch)})
        described = {
            "title": Path(source).name if Path(source).exists() else source,
            "version": ctm.__version__,
            "view": _copied_view(task, site),
            "models": models,
            "data": data,
        }
        (site / "site.json").write_text(json.dumps(described, default=encoded) + "\n", encoding="utf-8")
        os.rename(site, destination)


def view_of(task: BaseTaskConfig) -> Path | None:
    """The module that shows a task on a page: `page.js` beside the one that defines it, if there is one."""
    path = Path(inspect.getfile(type(task))).with_name("page.js")
    return path if path.exists() else None


def _copied_view(task: BaseTaskConfig, site: Path) -> str:
    """Copies the task's module, with those beside it; where it is in the site."""
    view = view_of(task)
    if view is None:
        return "page/numbers.js"
    place = f"tasks/{task.kind}"
    folder = site / place
    folder.mkdir(parents=True)
    for module in view.parent.glob("*.js"):
        shutil.copyfile(module, folder / module.name)
    return f"{place}/page.js"


def _of_the_task(
    config: BaseTaskConfig, model: ContinuousThoughtMachine
) -> tuple[Mapping[str, Batch | Unknown], dict[str, Any]]:
    """Samples of each size, none if the data are not here, and what the task's page needs besides."""
    made_up = config.example(1)
    try:
        task = config.build()
        data = task.page_data(model)
        if not config.acts:
            return task.page_samples(SAMPLES), data
    except DataError:
        if made_up is None:
            raise
        data = {}
    assert made_up is not None  # what acts has some
    return {"": Unknown(made_up)}, data


def _some(inputs: Inputs) -> Inputs:
    tensors = tuple(tensor[:1] for tensor in as_tuple(inputs))
    return tensors if len(tensors) > 1 else tensors[0]


def _stored(batch: Batch | Unknown) -> dict[str, Any]:
    """Samples as text."""
    count = None if batch.targets is not None else 0
    inputs = {f"x{place or ''}": tensor[:count] for place, tensor in enumerate(as_tuple(batch.inputs))}
    return {
        "inputs": {name: encoded(tensor.numpy()) for name, tensor in inputs.items()},
        "targets": None if batch.targets is None else encoded(batch.targets.numpy()),
    }


def encoded(array: np.ndarray) -> dict[str, Any]:
    """Numbers as text."""
    return {
        "type": str(array.dtype),
        "shape": list(array.shape),
        "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode(),
    }
