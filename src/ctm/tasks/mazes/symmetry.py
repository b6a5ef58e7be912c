"""The eight ways to turn and mirror a maze, with the moves that follow it."""

from hashlib import blake2b

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from torch import Generator, Tensor

from ctm.tasks.mazes.grid import DOWN, LEFT, RIGHT, UP, WAIT, Grids

TO_THE_LEFT = (LEFT, RIGHT, DOWN, UP, WAIT)
"""What up, down, left, right and waiting become when a maze is turned by 90 degrees to the left."""
TO_THE_RIGHT = (RIGHT, LEFT, UP, DOWN, WAIT)
LEFT_TO_RIGHT = (UP, DOWN, RIGHT, LEFT, WAIT)
"""The same for a mirror that swaps left and right, …"""
UPSIDE_DOWN = (DOWN, UP, LEFT, RIGHT, WAIT)
"""… and for one that swaps up and down."""

VIEWS = 8
"""In how many ways a maze can be turned and mirrored, itself included."""

Samples = tuple[Tensor, Tensor]  # pictures (B, 3, S, S), moves (B, L)


def augmented(pictures: Float[Tensor, "B 3 S S"], moves: Int[Tensor, "B moves"], source: Generator) -> Samples:
    """Turns half of the mazes, to the left or to the right, and mirrors half of them in each direction.

    Returns:
        the mazes, and the routes through them.
    """
    chance = torch.rand(4, len(pictures), generator=source) < 0.5  # (4, B)
    turned, left, sideways, upside_down = chance.to(pictures.device)
    samples = _where(turned & left, (pictures.rot90(1, (2, 3)), renamed(moves, TO_THE_LEFT)), (pictures, moves))
    samples = _where(turned & ~left, (pictures.rot90(-1, (2, 3)), renamed(moves, TO_THE_RIGHT)), samples)
    samples = _where(sideways, (samples[0].flip(3), renamed(samples[1], LEFT_TO_RIGHT)), samples)
    return _where(upside_down, (samples[0].flip(2), renamed(samples[1], UPSIDE_DOWN)), samples)


def seen_from(pictures: Float[Tensor, "B 3 S S"], view: int) -> Float[Tensor, "B 3 S S"]:
    """Mazes in one of eight views: turned to the left `view % 4` times, and mirrored from 4 on; 0 changes nothing."""
    turned = pictures.rot90(view % 4, (2, 3))
    return turned.flip(3) if view >= 4 else turned


def moves_before(moves: Int[Tensor, "B moves"], view: int) -> Int[Tensor, "B moves"]:
    """Moves through mazes in a view, as moves through the mazes as they were."""
    moves = renamed(moves, LEFT_TO_RIGHT) if view >= 4 else moves
    for _ in range(view % 4):
        moves = renamed(moves, TO_THE_RIGHT)
    return moves


def renamed(moves: Int[Tensor, "B moves"], names: tuple[int, ...]) -> Int[Tensor, "B L"]:
    """Moves under other names, which are given for up, down, left, right and waiting."""
    return torch.tensor(names, device=moves.device)[moves]


def _where(chosen: Tensor, changed: Samples, samples: Samples) -> Samples:
    pictures, moves = (
        torch.where(chosen.view(-1, *[1] * (new.dim() - 1)), new, old)
        for new, old in zip(changed, samples, strict=True)
    )
    return pictures, moves


def fingerprints(grids: Grids) -> UInt64[np.ndarray, " N"]:
    """A number for every maze that is the same for a turned or mirrored one, and different for others."""
    cells = grids.open.numpy().astype(np.uint8)  # (N, S, S)
    every = np.arange(len(cells))
    for place, mark in ((grids.start, 2), (grids.goal, 3)):
        cells[every, place[:, 0].numpy(), place[:, 1].numpy()] = mark
    turned = [np.rot90(seen, turns, (1, 2)) for seen in (cells, cells[:, ::-1]) for turns in range(4)]
    hashes = [[blake2b(maze.tobytes(), digest_size=8).digest() for maze in way] for way in turned]
    return np.frombuffer(b"".join(map(min, zip(*hashes, strict=True))), np.uint64)
