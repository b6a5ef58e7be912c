"""Reading what was emitted over ticks: the greedy decoding of connectionist temporal classification."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


class Emissions(NamedTuple):
    """What was emitted, in order."""

    classes: Tensor  # (B, N) the first N emissions; the blank where there were fewer
    ticks: Tensor  # (B, N) the tick of each, counted from 1; 0 where there was none
    count: Tensor  # (B,) of all emissions, also of those after the first N

    @property
    def waits(self) -> Int[Tensor, "B N"]:
        """Ticks from the emission before, or from the start of thinking, to each; 0 where there was none."""
        before = F.pad(self.ticks[:, :-1], (1, 0))  # (B, N)
        return (self.ticks - before).clamp_min(0)


def emissions(logits: Float[Tensor, "B T C"], length: int) -> Emissions:
    """Decodes greedily: the likeliest class of every tick, repetitions taken as one, blanks dropped.

    A blank between two equal classes makes them two emissions.

    Args:
        logits: what is said at every tick; the last class is the blank.
        length: N, how many emissions to return.
    """
    blank = logits.shape[-1] - 1
    said = logits.argmax(-1)  # (B, T)
    before = F.pad(said[:, :-1], (1, 0), value=blank)  # (B, T)
    emits = (said != blank) & (said != before)  # (B, T)
    place = torch.where(emits, emits.cumsum(1) - 1, length).clamp_max(length)  # (B, T) what is not kept goes to N
    clock = torch.arange(1, said.shape[1] + 1, device=said.device).expand_as(said)  # (B, T)
    kept = said.new_zeros(len(said), length + 1)  # (B, N + 1)
    classes = (kept + blank).scatter(1, place, said)[:, :length]  # (B, N)
    ticks = kept.scatter(1, place, clock)[:, :length]  # (B, N)
    return Emissions(classes, ticks, emits.sum(1))
