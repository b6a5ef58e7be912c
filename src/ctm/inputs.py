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
    """The tensors of the inputs, which may be a single one.

    Raises:
        TypeError: if they are none.
    """
    tensors = inputs if isinstance(inputs, tuple) else (inputs,)
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            kind = f"{type(tensor).__module__}.{type(tensor).__qualname__}"
            expected = "a torch.Tensor (B, …), such as torch.from_numpy makes, or a tuple of several"
            raise TypeError(f"inputs of type {kind}: expected {expected}")
    return tensors


def require_batch(inputs: Inputs) -> int:
    """B, how many samples there are to think about.

    Raises:
        TypeError: for what is no tensor.
        ValueError: if there is no sample, no dimension for samples, or not the same number in each tensor.
    """
    tensors = as_tuple(inputs)
    for tensor in tensors:
        shape = tuple(tensor.shape)
        if len(shape) < 2:
            raise ValueError(f"inputs of shape {shape}: expected (B, …); for a single sample x.unsqueeze(0)")
        if shape[0] == 0:
            raise ValueError(f"inputs of shape {shape}: expected at least one sample")
        if shape[0] != tensors[0].shape[0]:
            raise ValueError(f"inputs of {tensors[0].shape[0]} and {shape[0]} samples: expected equally many of each")
    return tensors[0].shape[0]


def count(inputs: Inputs) -> int:
    """B, how many samples there are."""
    return len(as_tuple(inputs)[0])


def shapes(inputs: Inputs) -> list[tuple[int, ...]]:
    """The shapes of a sample's tensors."""
    return [tuple(tensor.shape[1:]) for tensor in as_tuple(inputs)]


def only_known(embedded: Tensor, known: Tensor, symbols: Tensor, expected: str) -> Tensor:
    """The embeddings of symbols, all of which have to be known.

    To ask whether they are makes a GPU wait. Away from the CPU the embedding of an unknown one is NaN instead, and so
    is every answer that comes of it; training ends there, as its loss is not finite.

    Args:
        embedded: (B, L, E).
        known: (B, L).
        symbols: (B, L), as given.
        expected: what they can be.

    Raises:
        ValueError: for the first unknown one, on a CPU.
    """
    if not on_host(known):
        return embedded.masked_fill(~known.unsqueeze(-1), torch.nan)
    if not known.all():
        raise ValueError(f"symbol {symbols[~known][0].item():g}: expected {expected}")
    return embedded


def on_host(tensor: Tensor) -> bool:
    """Whether there are values, and looking at them costs nothing: not on a GPU, and not of tensors without values."""
    return not torch.compiler.is_compiling() and type(tensor) is Tensor and tensor.device.type == "cpu"


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


def tree_leaves(tree: Any) -> list[Tensor]:
    """The tensors of nested tuples, in order."""
    if tree is None or isinstance(tree, Tensor):
        return [] if tree is None else [tree]
    return [leaf for part in tree for leaf in tree_leaves(part)]
