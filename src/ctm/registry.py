"""Named models and experiments: the paper's, and some that a laptop trains in minutes.

A preset is a function without arguments; its name is how the command line and `ctm.build` call it. Those of the package
are in the file `presets.py` of every task's folder. One in a file of the user's has the name `FILE.py` too, or
`FILE.py:name` if there are several.
"""

import difflib
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch

from ctm import plugins, tasks
from ctm.errors import ConfigError
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.training.config import Experiment

Preset = Callable[[], Experiment | MachineConfig]
PresetT = TypeVar("PresetT", bound=Preset)


class Registered(NamedTuple):
    """A preset."""

    make: Preset
    summary: str
    module: str
    """The module that its function is in."""

    @property
    def file(self) -> Path | None:
        """The file of the user's that it is in."""
        return plugins.origin(self.module)


_PRESETS: dict[str, Registered] = {}


def register(name: str, description: str | None = None) -> Callable[[PresetT], PresetT]:
    """Makes the decorated function, or what the result is called with, the preset of this name.

    Args:
        name: how it is called.
        description: one line; by default the first of the function's docstring.

    Raises:
        ConfigError: if a function of another module has this name.
    """

    def remember(make: PresetT) -> PresetT:
        function = make.func if isinstance(make, functools.partial) else make
        module, summary = function.__module__, description or (function.__doc__ or "").partition("\n")[0]
        if name in _PRESETS and _PRESETS[name].module != module:
            both = f"{_PRESETS[name].module} and {module}"
            raise ConfigError(f"preset = {name!r}: registered by {both}; choose another name for one of them")
        _PRESETS[name] = Registered(make, summary, module)
        return make

    return remember


def presets() -> list[str]:
    """The names of all presets, for `build`, `preset` and the command line."""
    return list(_known())


def preset(name: str) -> Experiment | MachineConfig:
    """The configuration of a preset: an experiment, or a model alone where the task is still to come.

    Args:
        name: as it is registered; or a Python file, `my_task.py`, that registers one, or `my_task.py:name`.

    Raises:
        ConfigError: for an unknown name, with the nearest one; for a file that cannot be imported, or what in it makes
            no preset, with the file and the line.
    """
    found = plugins.split_name(name)
    if found is not None:
        return _preset_of_file(*found)
    known = _known()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "'ctm presets' and ctm.presets() list them"
        raise ConfigError(f"preset = {name!r}: unknown; {hint}")
    return _made(name)


def _preset_of_file(file: str, name: str | None) -> Experiment | MachineConfig:
    plugins.load(file)
    path = Path(file).resolve()
    names = [known for known, registered in _PRESETS.items() if registered.file == path]
    if not names:
        raise ConfigError(
            f"{file}: registers no preset; write @ctm.register({path.stem!r}) above a function without arguments that "
            "returns a ctm.Experiment"
        )
    if name is None and len(names) > 1:
        raise ConfigError(f"{file}: registers {', '.join(names)}; name one of them, as in {file}:{names[0]}")
    if name is not None and name not in names:
        raise ConfigError(f"{file}:{name}: unknown; the file registers {', '.join(names)}")
    return _made(name or names[0])


def _made(name: str) -> Experiment | MachineConfig:
    make, file = _PRESETS[name].make, _PRESETS[name].file
    if file is None:
        return make()
    with plugins.blamed(file):
        config = make()
    if not isinstance(config, Experiment | MachineConfig):
        raise ConfigError(f"{file}: preset {name!r} returned {config!r:.60}; expected a ctm.Experiment")
    return config


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
    return _known()[name].summary


def _known() -> dict[str, Registered]:
    """All presets by name."""
    for name in tasks.folders():
        importlib.import_module(f"ctm.tasks.{name}.presets")
    plugins.load_installed()
    return dict(sorted(_PRESETS.items()))
