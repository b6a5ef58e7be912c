"""Randomness without hidden state: every generator is a pure function of numbers that say what it is for.

The batch of iteration 500 of the run with seed 3 comes from `generator(3, "batch", 500)`. So nothing about random
numbers has to be saved to resume a run exactly, and several processes agree on what each other draws.
"""

import functools
import hashlib
from collections.abc import Callable

import torch
from torch import Generator, Tensor


def seed_from(*key: int | str) -> int:
    """A 63-bit seed that is the same for the same key, on every machine, and unrelated for different ones."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "little") >> 1


def generator(*key: int | str) -> Generator:
    """A CPU generator seeded from a key."""
    return Generator().manual_seed(seed_from(*key))


def shuffled(
    length: int, seed: int, start: int, count: int, order: Callable[[int, int], Tensor] | None = None
) -> Tensor:
    """Part of an endless stream of indices that visits everything once, then everything again in another order.

    Args:
        length: how many things there are.
        seed: which stream.
        start: position in the stream.
        count: how many indices.
        order: gives for a seed and an epoch all indices in their order, (length,); nothing for any order at random.

    Returns:
        (count,) int64.
    """
    pieces = []
    while count > 0:
        epoch, offset = divmod(start, length)
        indices = _order(length, seed, epoch) if order is None else order(seed, epoch)
        piece = indices[offset : offset + count]
        pieces.append(piece)
        start, count = start + len(piece), count - len(piece)
    return torch.cat(pieces)


@functools.lru_cache(maxsize=4)
def _order(length: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(length, generator=generator(seed, "order", epoch))
