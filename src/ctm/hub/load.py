"""`ctm.load`: a trained model, from wherever it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from ctm import reference
from ctm.files import read_tensors
from ctm.hub.source import locate, run_of
from ctm.machine import ContinuousThoughtMachine
from ctm.saving import is_ours


def load(
    source: str | Path,
    *,
    which: Literal["best", "last"] = "best",
    device: str | torch.device = "cpu",
    config: Mapping[str, Any] | None = None,
    kind: str | None = None,
    trust_remote_code: bool = False,
    **where: Any,
) -> ContinuousThoughtMachine:
    """Loads a trained model; nothing in it is executed.

    >>> model = ctm.load("digits")                     # in the package; ctm.zoo() lists them
    >>> model = ctm.load("runs/digits")                # a run: its best checkpoint; or one of its checkpoints
    >>> model = ctm.load("m.safetensors")              # what model.save or `ctm convert` wrote; or a folder
    >>> model = ctm.load("user/name")                  # a repository of the Hugging Face hub
    >>> model = ctm.load("ctm_mazeslarge.pt")          # a file, folder or repository of the paper's authors

    Args:
        source: where the model is. A name that is a path here and one in the package is the path.
        which: of a run, the checkpoint of the best validation score, or the last one.
        device: where to put the model.
        config: of the authors' weights, as for `ctm.reference.load`.
        kind: of the authors' weights, as for `ctm.reference.load`.
        trust_remote_code: import what defines parts of others that a saved model has, if it was not imported before.
        where: of a repository: `revision`, `token`, `cache_dir`, `force_download`, `local_files_only`.

    Returns:
        the model in evaluation mode, in float32; of an agent, what `ctm.Agent` takes.

    Raises:
        RunError, CheckpointError, ConfigError: if there is none, or it cannot be read, in one line.
    """
    path = locate(source, **where)
    trained = run_of(path)
    if trained is not None:
        return trained.load_model(which, device)
    if is_ours(path):
        model = ContinuousThoughtMachine.from_pretrained(path, trust_remote_code=trust_remote_code)
    else:
        model = reference.load(path, config, kind)
    return model.to(device).eval()


def from_pretrained(name_or_path: str | Path, **options: Any) -> ContinuousThoughtMachine:
    """`load`, by the name that users of the Hugging Face hub look for."""
    return load(name_or_path, **options)


def read_weights(source: str | Path) -> dict[str, Tensor]:
    """The weights of what `load` takes, or of a file of nothing else.

    Raises:
        RunError, CheckpointError, ConfigError: if there are none.
    """
    path = locate(source)
    if path.suffix == ".safetensors" and not is_ours(path):
        return read_tensors(path, "broken weights")
    return load(path).state_dict()
