"""Backbones that start from published weights, and may keep them."""

import contextlib
from collections.abc import Generator
from contextvars import ContextVar

from torch import nn

_READS_WEIGHTS = ContextVar("_READS_WEIGHTS", default=True)


def reads_published_weights() -> bool:
    """Whether a backbone that is built now starts from its published weights."""
    return _READS_WEIGHTS.get()


@contextlib.contextmanager
def without_published_weights(skip: bool = True) -> Generator[None, None, None]:
    """Backbones that are built in here do not look for their published weights, since others are loaded into them next.

    So a run needs nothing but its own checkpoints to go on.

    Args:
        skip: nothing changes without it.
    """
    token = _READS_WEIGHTS.set(_READS_WEIGHTS.get() and not skip)
    try:
        yield
    finally:
        _READS_WEIGHTS.reset(token)


class Pretrained(nn.Module):
    """Base of the backbones of published weights.

    Frozen, none of its parameters has a gradient, so that nothing is kept for a backward pass, and batch normalisation
    stays in evaluation mode: features of a picture never change.

    Args:
        frozen: keep the weights as they are published.
    """

    def __init__(self, frozen: bool) -> None:
        super().__init__()
        self.frozen = frozen

    def train(self, mode: bool = True) -> "Pretrained":
        return super().train(mode and not self.frozen)

    def freeze(self) -> None:
        """Keeps what it consists of as it is, if it is frozen."""
        self.requires_grad_(not self.frozen).train()
