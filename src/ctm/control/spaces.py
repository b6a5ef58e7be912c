"""What is observed and what can be done: from the spaces of an environment to what a model takes and gives."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ctm.control.library import gymnasium
from ctm.errors import ConfigError


@dataclass(frozen=True)
class Observations:
    """What an agent sees at a step."""

    kind: Literal["vector", "picture", "grid"]
    """A vector of numbers; a picture with values from 0 to 1; or a grid of cells, each a few whole numbers, such as the
    view of a MiniGrid environment: object, colour and state; no direction, no mission beside it."""
    shape: tuple[int, ...]
    """(F,) of a vector, (C, H, W) of a picture, (H, W, numbers of a cell) of a grid."""

    @classmethod
    def of(cls, space: Any) -> "Observations":
        """What an observation space holds.

        Raises:
            ConfigError: for one that is not supported.
        """
        spaces = gymnasium().spaces
        if isinstance(space, spaces.Box) and len(space.shape) == 1:
            return cls("vector", space.shape)
        if isinstance(space, spaces.Discrete):
            return cls("vector", (int(space.n),))
        if _is_uint8(space):
            height, width, channels = space.shape
            return cls("picture", (channels, height, width))
        if isinstance(space, spaces.Dict) and _is_uint8(space.spaces.get("image")):
            return cls("grid", space["image"].shape)
        raise ConfigError(
            f"observation space {_shown(space)}: expected a Box of one dimension, a Discrete, a Box (H, W, C) of uint8 "
            "for pictures, or a Dict with such a Box as 'image' for the cells of a grid"
        )

    def tensor(self, values: np.ndarray) -> Tensor:
        """Observations (N, *shape) of what `readable` environments give; they share no memory with it.

        Returns:
            int64 of grids, float32 of anything else.
        """
        dtype = np.int64 if self.kind == "grid" else np.float32
        tensor = torch.from_numpy(np.array(values, dtype, order="C"))
        return tensor.movedim(-1, 1) / 255 if self.kind == "picture" else tensor


@dataclass(frozen=True)
class Actions:
    """What an agent can do at a step."""

    count: int
    """How many actions there are to choose from, or of how many numbers an action consists."""
    continuous: bool
    """Whether an action is `count` numbers, and not one of `count`."""

    @classmethod
    def of(cls, space: Any) -> "Actions":
        """What an action space takes.

        Raises:
            ConfigError: for one that is not supported.
        """
        spaces = gymnasium().spaces
        if isinstance(space, spaces.Discrete):
            return cls(int(space.n), continuous=False)
        if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
            return cls(space.shape[0], continuous=True)
        raise ConfigError(
            f"action space {_shown(space)}: expected a Discrete, or a Box of one dimension whose bounds are finite"
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """That of an action: () if it is one of several, (count,) if it is numbers."""
        return (self.count,) if self.continuous else ()

    @property
    def dtype(self) -> torch.dtype:
        """The smallest that holds an action, to keep many of them."""
        if self.continuous:
            return torch.float32
        return torch.uint8 if self.count <= 256 else torch.int32

    def array(self, actions: Tensor, space: Any) -> np.ndarray:
        """Actions (N, *shape) on the CPU as an environment of that space takes them: numbers are clipped to its bounds.

        Raises:
            ValueError: for actions of another shape or type, or that do not exist.
        """
        expected = f"({', '.join(['N', *map(str, self.shape)])})"
        if tuple(actions.shape[1:]) != self.shape or actions.is_floating_point() != self.continuous:
            kind = "floating-point" if self.continuous else "whole"
            raise ValueError(
                f"actions of shape {tuple(actions.shape)} and {actions.dtype}: expected {kind} numbers {expected}"
            )
        values = actions.numpy()
        if self.continuous:
            if np.isnan(values).any():
                raise ValueError("actions: some are not a number")
            return np.clip(values, space.low, space.high).astype(space.dtype)
        if values.min() < 0 or values.max() >= self.count:
            raise ValueError(f"actions from {values.min()} to {values.max()}: expected 0 to {self.count - 1}")
        return values.astype(space.dtype) + space.start


class Spaces(NamedTuple):
    """What is observed and what can be done in an environment."""

    observations: Observations
    actions: Actions


def readable(environment: Any) -> Any:
    """The environment with observations that are one array: the image of several parts, one of several as one-hot."""
    library = gymnasium()
    space = environment.observation_space
    if isinstance(space, library.spaces.Dict):
        return library.wrappers.TransformObservation(environment, lambda parts: parts["image"], space["image"])
    if isinstance(space, library.spaces.Discrete):
        return library.wrappers.FlattenObservation(environment)
    return environment


def _is_uint8(space: Any) -> bool:
    return isinstance(space, gymnasium().spaces.Box) and len(space.shape) == 3 and space.dtype == np.uint8


def _shown(space: Any) -> str:
    return " ".join(str(space).split())
