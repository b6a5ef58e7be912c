"""Named models and experiments: the paper's, and some that a laptop trains in minutes.

A preset is a function without arguments in `ctm.registry`; its name is how the command line and `ctm.build` call it.
"""

import difflib
import functools
from collections.abc import Callable

import torch

from ctm.config import ConfigError
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.training.config import Experiment

Preset = Callable[[], Experiment | MachineConfig]

_PRESETS: dict[str, Preset] = {}


def register(name: str) -> Callable[[Preset], Preset]:
    """Makes the decorated function, or what the result is called with, the preset of this name."""

    def remember(make: Preset) -> Preset:
        _PRESETS[name] = make
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
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
        raise ConfigError(f"preset = {name!r}: unknown; {hint}")
    return known[name]()


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
    make = _known()[name]
    function = make.func if isinstance(make, functools.partial) else make
    return (function.__doc__ or "").splitlines()[0]


def _known() -> dict[str, Preset]:
    """All presets, by name."""
    import ctm.registry  # noqa: F401  each of its files registers its presets

    return _PRESETS
