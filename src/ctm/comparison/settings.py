"""In which settings experiments differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from ctm.config import Config


def leaves(nested: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """The values of nested dictionaries by their paths, as in {"training.iterations": 300}."""
    found = {}
    for name, value in nested.items():
        path = f"{where}.{name}" if where else name
        found |= leaves(value, path) if isinstance(value, Mapping) else {path: value}
    return found


def differing(configs: Sequence[Config]) -> list[dict[str, Any]]:
    """For each configuration, its values of the fields that are not the same in all, by their paths.

    A field that a configuration does not have, since its parts are of other kinds, is nothing in it.
    """
    found = [leaves(config.to_dict()) for config in configs]
    paths = dict.fromkeys(path for values in found for path in values)
    different = [path for path in paths if any(values.get(path) != found[0].get(path) for values in found)]
    return [{path: values.get(path) for path in different} for values in found]
