"""Made-up thoughts, so that the pictures need no trained model."""

import pytest
import torch

from ctm.certainty import certainty
from ctm.thoughts import Record, Thoughts


def think(batch=3, ticks=4, heads=2, grid=(3, 5), classes=6, answer=(), neurons=7) -> Thoughts:
    """Random thoughts with everything recorded."""
    random = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(batch, ticks, *answer, classes, generator=random)
    activity = torch.randn(batch, ticks, neurons, generator=random)
    tokens = torch.Size(grid).numel()
    attention = torch.randn(batch, ticks, heads, tokens, generator=random).softmax(-1)
    record = Record(2 * activity, activity, None, attention, activity, grid)
    return Thoughts(logits, certainty(logits, positions=len(answer)), None, record)


@pytest.fixture(name="think")
def _think():
    return think
