"""Reading the weights that the paper's authors published or trained with their own code.

>>> model = ctm.reference.load("ctm_mazeslarge.pt")
>>> thoughts = model(mazes)

Names and shapes are those of the public repository SakanaAI/continuous-thought-machines. Nothing in a file is
ever executed: whatever is more than numbers and plain containers is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ctm.errors import ConfigError
from ctm.machine import ContinuousThoughtMachine
from ctm.reference.files import read
from ctm.reference.kinds import Translation, kind_of, translation
from ctm.reference.names import CheckpointError, shown, translate

__all__ = ["CheckpointError", "Translation", "from_state_dict", "load", "translation"]


def load(
    source: str | Path, config: Mapping[str, Any] | None = None, kind: str | None = None
) -> ContinuousThoughtMachine:
    """Reads a file or a folder of the authors into our model.

    Args:
        source: a `.pt` checkpoint; a `.safetensors` file with a `config.json` of constructor arguments beside it; or a
            folder with both, `model.safetensors` and `config.json`, as in their repositories on Hugging Face.
        config: the authors' constructor arguments, or some of them; they come before those the file holds. The shape
            of an answer, `prediction_reshaper`, is not in a `.pt` file: it follows from what else tells the task
            (parity, mazes, labels), and is asked for where nothing does.
        kind: which of the authors' models it is; by default, what the names of the weights tell. "ctm", the one of
            parity, mazes and images, or their baselines for the same, "lstm" and "ff", the feed-forward one; "sort";
            "qamnist" and "lstm-qamnist", which take frames (B, n, 1, H, W) and parts of questions (B, m) with each
            repeated for all ticks at which it is shown; "rl" and "lstm-rl", their agents with actor and critic, which
            become the machine of a `ctm.Agent`.

    Returns:
        the model in evaluation mode, in float32.

    Raises:
        CheckpointError: if the file holds more than weights, or weights that do not fit its configuration.
        FileNotFoundError: if there is no such file.
    """
    try:
        state_dict, stored = read(Path(source))
        arguments = {**stored, **(config or {})}
        if "d_model" not in arguments:  # all their models have it
            held = f"; it holds {shown(', '.join(map(str, stored)))}" if stored else ""
            raise CheckpointError(f"holds no arguments of the authors' model{held}; give them as `config`")
        return from_state_dict(state_dict, arguments, kind)
    except CheckpointError as error:
        raise CheckpointError(f"{source}: {error}") from None


def from_state_dict(
    state_dict: Mapping[str, Tensor], config: Mapping[str, Any], kind: str | None = None
) -> ContinuousThoughtMachine:
    """Makes our model with exactly the weights of one of theirs.

    The neuron pairs are those stored; decays are clamped to the bounds the authors' forward pass gives them.
    What wrappers leave in names (`module.`, `_orig_mod.`) is dropped.

    Args:
        state_dict: their parameters and buffers; copied, not kept.
        config: their constructor arguments, or the arguments of their training scripts; what does not concern
            the model is ignored.
        kind: which of their models it is; by default, what the names of the weights tell.

    Returns:
        the model in evaluation mode, in float32.

    Raises:
        CheckpointError: for an unknown or wrong kind, an argument that is missing or not supported, or a tensor that
            is missing, unexpected or of the wrong shape; the message has the authors' name for it.
    """
    state_dict = _without_wrappers(state_dict)
    for name in ("synapse_depth", "num_layers"):
        if isinstance(config.get(name), int) and config[name] > len(state_dict):
            raise CheckpointError(f"config: {name} = {config[name]}: more than there are tensors, {len(state_dict)}")
    with torch.random.fork_rng(devices=[]):  # fresh weights, soon overwritten, leave no trace
        try:
            found = translation(config, state_dict, kind_of(state_dict, kind))
            with torch.device("meta"):  # takes no memory, whatever sizes the configuration asks for
                outline = found.config.build()
        except ConfigError as error:
            raise CheckpointError(f"config: {error}") from None
        weights = translate(state_dict, outline.state_dict(), found.rules, found.unused)
        model = found.config.build()
    model.load_state_dict(weights)
    return model.eval()


def _without_wrappers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drops what `torch.compile` and `DistributedDataParallel` add to names."""
    state_dict = {name.replace("_orig_mod.", ""): tensor for name, tensor in state_dict.items()}
    if all(name.startswith("module.") for name in state_dict):
        return {name.removeprefix("module."): tensor for name, tensor in state_dict.items()}
    return state_dict
