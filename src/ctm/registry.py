"""Named models and experiments: the paper's, and some that a laptop trains in minutes.

A preset is a function without arguments; its name is how the command line and `ctm.build` call it. Those of the package
are in the file `presets.py` of every task's folder.
"""

import difflib
import functools
import importlib
from collections.abc import Callable
from typing import TypeVar

import torch

from ctm import tasks
from ctm.errors import ConfigError
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.training.config import Experiment

Preset = Callable[[], Experiment | MachineConfig]
PresetT = TypeVar("PresetT", bound=Preset)

_PRESETS: dict[str, tuple[Preset, str]] = {}


def register(name: str, description: str | None = None) -> Callable[[PresetT], PresetT]:
    """Makes the decorated function, or what the result is called with, the preset of this name.

    Args:
        name: how it is called.
        description: one line; by default the first of the function's docstring.
    """

    def remember(make: PresetT) -> PresetT:
        function = make.func if isinstance(make, functools.partial) else make
        _PRESETS[name] = make, description or (function.__doc__ or "").partition("\n")[0]
        return make

    return remember


def presets() -> list[str]:
    """The names of all presets, for `build`, `preset` and the command line."""
    return list(_known())


def preset(name: str) -> Experiment | MachineConfig:
    """The configuration of a preset: an experiment, or a model alone where the task is still to come.

    Raises:
        ConfigError: for an unknown name, with the nearest one.
    """
    known = _known()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "'ctm presets' and ctm.presets() list them"
        raise ConfigError(f"preset = {name!r}: unknown; {hint}")
    make, _ = known[name]
    return make()


def model_config(name: str) -> MachineConfig:
    """The model of a preset."""
    config = preset(name)
    return config.model if isinstance(config, Experiment) else config


def build(name: str, seed: int = 0) -> ContinuousThoughtMachine:
    """The model of a preset, with fresh weights.

    Args:
        name: a preset, such as "digits" or "parity/paper-75".
        seed: of the weights; the global random state is left alone.

    Raises:
        ConfigError: for an unknown name.
    """
    config = model_config(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return config.build()


def summary(name: str) -> str:
    """One line about a preset."""
    return _known()[name][1]


def _known() -> dict[str, tuple[Preset, str]]:
    """All presets and their descriptions, by name."""
    for name in tasks.folders():
        importlib.import_module(f"ctm.tasks.{name}.presets")
    return dict(sorted(_PRESETS.items()))
