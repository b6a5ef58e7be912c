"""What a machine takes: one tensor, or several side by side, such as pictures and questions about them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

Inputs = Tensor | tuple[Tensor, ...]
"""Samples: a tensor (B, …), or several with a row for each sample."""

TreeT = TypeVar("TreeT")
"""A tensor, or nested tuples of tensors, such as a batch of inputs and targets."""


def as_tuple(inputs: Inputs) -> tuple[Tensor, ...]:
    """The tensors of the inputs, which may be a single one."""
    return (inputs,) if isinstance(inputs, Tensor) else inputs


def count(inputs: Inputs) -> int:
    """B, how many samples there are."""
    return len(as_tuple(inputs)[0])


def shapes(inputs: Inputs) -> list[tuple[int, ...]]:
    """The shapes of a sample's tensors."""
    return [tuple(tensor.shape[1:]) for tensor in as_tuple(inputs)]


def slice_batch(samples: TreeT, start: int, end: int | None = None) -> TreeT:
    """The samples from `start` up to `end`."""
    return tree_map(lambda tensor: tensor[start:end], samples)


def split(inputs: Inputs, size: int) -> Iterator[Inputs]:
    """The samples in batches of `size`, but for the last."""
    for start in range(0, count(inputs), size):
        yield slice_batch(inputs, start, start + size)


def concatenate(batches: Sequence[Inputs]) -> Inputs:
    """The samples of several batches as one."""
    return tree_map(lambda *tensors: torch.cat(tensors), *batches)


def tree_map(function: Callable[..., Any], first: Any, *others: Any) -> Any:
    """Applies a function to the tensors of nested tuples of one form; what is nothing stays nothing."""
    if first is None or isinstance(first, Tensor):
        return None if first is None else function(first, *others)
    parts = [tree_map(function, *parts) for parts in zip(first, *others, strict=True)]
    return tuple(parts) if type(first) is tuple else type(first)(*parts)
