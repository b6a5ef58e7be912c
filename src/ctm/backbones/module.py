"""Any PyTorch module as a backbone."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from ctm import plugins
from ctm.backbones.base import BackboneConfig
from ctm.errors import ConfigError


@dataclass(frozen=True)
class ModuleBackbone(BackboneConfig, kind="module"):
    """A module that maps a batch to features (B, C, *grid)."""

    make: Any
    """What makes it: the name of a function without arguments, as package.module:function, or as FILE.py:function of a
    file that was imported; in Python also a function, or a module, of which every machine gets a copy."""
    channels: int = 64
    """C, the channels of its features."""
    dimensions: int = 2
    """Dimensions of their grid."""

    def validate(self) -> None:
        expected = "a module, or a function that makes one, or its name as package.module:function"
        named = isinstance(self.make, str) and ":" in self.make
        self.require(named or (not isinstance(self.make, str) and callable(self.make)), "make", expected)
        self.require(self.channels >= 1, "channels", "at least 1")
        self.require(self.dimensions >= 0, "dimensions", "0 or more")

    def modules(self) -> tuple[str, ...]:
        return (__name__, plugins.find(self.make).__module__) if isinstance(self.make, str) else (__name__,)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data.

        Raises:
            ConfigError: if the module was made in Python, by no function that can be imported.
        """
        if not isinstance(self.make, str):
            raise ConfigError(
                f"backbone.make = {type(self.make).__name__}: made by nothing that can be imported, so it could not be "
                "read back from a file; define a function without arguments that makes it, at the top of a file or a "
                "package, and give that function to ctm.wrap"
            )
        return super().to_dict()

    def build(self) -> nn.Module:
        """Makes the module.

        Raises:
            ConfigError: if there is no function of the name, or it makes something else.
        """
        if isinstance(self.make, nn.Module):
            return copy.deepcopy(self.make)
        made = (plugins.find(self.make) if isinstance(self.make, str) else self.make)()
        if not isinstance(made, nn.Module):
            raise ConfigError(f"backbone.make = {self.make!r}: made {made!r:.60}; expected a torch.nn.Module")
        return made


def wrap(module: nn.Module | Callable[[], nn.Module], *, channels: int, dimensions: int = 2) -> ModuleBackbone:
    """A PyTorch module of one's own as the backbone of a machine.

    >>> config.replace(backbone=ctm.wrap(encoder, channels=32))

    Args:
        module: a function without arguments, or a class, that makes it. If it stands at the top of a file or a package,
            runs can keep it. What cannot be imported, such as a module itself, of which every machine gets a copy,
            works in Python only: `Run.create` refuses it.
        channels: C; the module maps a batch to (B, C, *grid).
        dimensions: of the grid: 2 for a map, 1 for a sequence, 0 for a single vector.
    """
    name = None if isinstance(module, nn.Module) else plugins.name_of(module)
    return ModuleBackbone(name or module, channels, dimensions)
