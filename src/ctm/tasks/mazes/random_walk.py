"""What walking at random reaches, which is much where corridors are few: what re-application has to be compared to."""

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from torch.nn.functional import pad

from ctm.tasks.mazes.grid import STEPS, WAIT, Grids


def random_walk(mazes: Grids, moves: Int[Tensor, " N"], source: Generator, walks: int = 20) -> Float[Tensor, " N"]:
    """The share of random walks that reach the goal in so many moves.

    A walker goes on to a neighbour at random, all equally likely, and turns back in dead ends only.

    Args:
        mazes: N of them.
        moves: how many a walk through each may have.
        source: of all randomness.
        walks: how many through each.
    """
    open = pad(mazes.open, (1, 1, 1, 1)).repeat_interleave(walks, 0)  # (N W, S + 2, S + 2)
    place, goal = ((where + 1).repeat_interleave(walks, 0) for where in (mazes.start, mazes.goal))  # (N W, 2)
    left = moves.repeat_interleave(walks)
    every, steps = torch.arange(len(open)), torch.tensor(STEPS[:WAIT])
    came = torch.full_like(place, -1)
    for _ in range(int(moves.max())):
        there = place.unsqueeze(1) + steps  # (N W, 4, 2)
        free = open[every.unsqueeze(1), there[..., 0], there[..., 1]]  # (N W, 4)
        going = (place != goal).any(1) & (left > 0) & free.any(1)
        if not going.any():
            break
        ahead = free & (there != came.unsqueeze(1)).any(2)
        choices = torch.where(ahead.any(1, keepdim=True), ahead, free)
        chosen = (torch.rand(choices.shape, generator=source) * choices).argmax(1)
        came = torch.where(going.unsqueeze(1), place, came)
        place = torch.where(going.unsqueeze(1), there[every, chosen], place)
        left = left - going.long()
    return (place == goal).all(1).view(-1, walks).float().mean(1)
