"""Less memory for more time: what a tick computes is computed again for the backward pass instead of being kept."""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint

from ctm.machine import ContinuousThoughtMachine


def recompute(model: ContinuousThoughtMachine) -> None:
    """Makes the training steps of a model keep less: of looking and of connecting, only what goes in.

    The private models of the neurons keep nothing in any case. Numbers and gradients stay the same, dropout included.

    Args:
        model: changed in place; its weights and their names are not.
    """
    observer, synapses = model.observer, getattr(model.core, "synapses", None)
    observer.step = _again(observer.step)
    if synapses is not None:
        prepare = synapses.prepare
        synapses.prepare = lambda: _again(prepare())


def _again(function: Callable[..., Any]) -> Callable[..., Any]:
    return partial(checkpoint, function, use_reentrant=False)
