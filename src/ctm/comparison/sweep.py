"""Lists of values for settings: a model for each combination of them."""

import itertools
import re
import typing
from collections.abc import Callable, Iterable
from typing import Any

from ctm.config import Config
from ctm.errors import ConfigError
from ctm.training.config import Experiment

_NUMBER = re.compile(r"-[\d.]")  # how a negative one begins, which is no option


def sweep(
    name: str, preset: Experiment, options: list[str], change: Callable[[list[str]], Experiment]
) -> dict[str, Experiment]:
    """The experiments that options of the command line make of a preset, where a setting may have several values.

    Args:
        name: of the model.
        preset: its experiment.
        options: such as ["--training.optimizer.learning-rate", "1e-3", "3e-3"]. Several values of a setting that takes
            one make a model each; a setting that takes a list takes all of them.
        change: makes an experiment of options with a value each.

    Returns:
        by name: that of the model if no setting has several values, else with what differs, as in
        "parity/quick learning_rate=0.001".

    Raises:
        ConfigError: if two combinations are the same.
    """
    same, several = [], {}
    for path, words, values in _split(options):
        if len(values) > 1 and _takes_one(preset, path):
            several[path] = values
        else:
            same += words
    found: dict[str, Experiment] = {}
    for values in itertools.product(*several.values()):
        chosen = dict(zip(several, values, strict=True))
        experiment = change([*same, *(f"--{path}={value}" for path, value in chosen.items())])
        label = [f"{_tail(path, several)}={_shown(experiment, path, value)}" for path, value in chosen.items()]
        full = " ".join([name, *label])
        if full in found:
            raise ConfigError(f"{full}: twice among the models; expected values that are all different")
        found[full] = experiment
    return found


def _split(options: list[str]) -> list[tuple[str, list[str], list[str]]]:
    """The path, all words and the values of each option."""
    found: list[tuple[str, list[str], list[str]]] = []
    for word in options:
        if word.startswith("-") and not _NUMBER.match(word):
            path, equals, value = word.lstrip("-").partition("=")
            found.append((path.replace("-", "_"), [word], [value] if equals else []))
        elif found:
            found[-1][1].append(word)
            found[-1][2].append(word)
    return found


def _at(config: Any, path: str) -> Any:
    """What a configuration has there; nothing if there is no such field."""
    for part in filter(None, path.split(".")):
        config = getattr(config, part, None)
    return config


def _takes_one(config: Config, path: str) -> bool:
    """Whether a setting takes one value; not if there is none of this name, which is an error of its own."""
    part, _, field = path.rpartition(".")
    owner = _at(config, part)
    hint = typing.get_type_hints(type(owner)).get(field) if isinstance(owner, Config) else None
    return hint is not None and all(typing.get_origin(each) is not tuple for each in (hint, *typing.get_args(hint)))


def _shown(experiment: Experiment, path: str, text: str) -> str:
    """A value in the name of a model: 0.001 also for 1e-3."""
    value = _at(experiment, path)
    return text if value is None or isinstance(value, Config) else str(value)


def _tail(path: str, paths: Iterable[str]) -> str:
    """The last words of a path that no other one ends with."""
    parts = path.split(".")
    tails = [".".join(parts[-length:]) for length in range(1, len(parts) + 1)]
    others = [other for other in paths if other != path]
    return next(tail for tail in tails if not any(f".{other}".endswith(f".{tail}") for other in others))
