"""Mazes on a grid: what they look like, and what it means to walk through one."""

from collections import deque
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

UP, DOWN, LEFT, RIGHT, WAIT = range(5)
"""The moves, as classes of an answer."""
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0))
"""Rows down and columns to the right of every move."""


class Grids(NamedTuple):
    """N mazes of S x S cells and a route through each; places are (row, column)."""

    open: Tensor  # (N, S, S) bool, where one can walk
    start: Tensor  # (N, 2) int64
    goal: Tensor  # (N, 2) int64
    moves: Tensor  # (N, longest) int64, from start to goal, then WAIT

    @property
    def lengths(self) -> Int[Tensor, " N"]:
        """Moves of every route."""
        return (self.moves != WAIT).sum(1)

    def take(self, index: Tensor | slice) -> "Grids":
        """Some of the mazes: a slice, a mask or indices (n,)."""
        return Grids(*(part[index] for part in self))


def pictures(
    open: Bool[Tensor, "N S S"], start: Int[Tensor, "N 2"], goal: Int[Tensor, "N 2"]
) -> Float[Tensor, "N 3 S S"]:
    """What a model sees, from 0 to 1: black walls, white corridors, a red start and a green goal."""
    seen = open.float().unsqueeze(1).repeat(1, 3, 1, 1)
    every = torch.arange(len(open), device=open.device)
    for place, colour in ((start, (1.0, 0.0, 0.0)), (goal, (0.0, 1.0, 0.0))):
        seen[every, :, place[:, 0], place[:, 1]] = seen.new_tensor(colour)
    return seen


class Walk(NamedTuple):
    """Where routes lead."""

    places: Tensor  # (N, L + 1, 2), from the start on
    mistakes: Tensor  # (N, L) bool, moves into a wall
    walked: Tensor  # (N, L) bool, moves that were tried: those before the walk stopped

    @property
    def end(self) -> Tensor:
        """(N, 2), the last place."""
        return self.places[:, -1]


def walk(
    open: Bool[Tensor, "N S S"],
    start: Int[Tensor, "N 2"],
    moves: Int[Tensor, "N L"],
    goal: Int[Tensor, "N 2"] | None = None,
    mistakes: int | None = None,
) -> Walk:
    """Follows routes, skipping moves into a wall or out of the maze.

    Args:
        open: where one can walk.
        start: where the routes begin.
        moves: the routes.
        goal: where a walk ends early; nothing to follow every move.
        mistakes: a walk stops at the first mistake beyond so many; nothing for never.
    """
    size = open.shape[-1]
    every, steps = torch.arange(len(open), device=open.device), torch.tensor(STEPS, device=open.device)
    place, wrong = start, torch.zeros(len(open), dtype=torch.int64, device=open.device)
    places, mistaken, walked = [place], [], []
    for move in moves.unbind(1):
        going = torch.ones_like(wrong, dtype=torch.bool)
        if goal is not None:
            going &= (place != goal).any(1)
        if mistakes is not None:
            going &= wrong <= mistakes
        there = place + steps[move]  # (N, 2)
        inside = ((there >= 0) & (there < size)).all(1)
        row, column = there.clamp(0, size - 1).unbind(1)
        free = inside & open[every, row, column]
        place = torch.where((going & free).unsqueeze(1), there, place)
        mistaken.append(going & ~free)
        walked.append(going)
        wrong = wrong + mistaken[-1]
        places.append(place)
    return Walk(torch.stack(places, 1), _columns(mistaken, moves), _columns(walked, moves))


def _columns(masks: list[Tensor], moves: Tensor) -> Tensor:
    return torch.stack(masks, 1) if masks else torch.zeros_like(moves, dtype=torch.bool)


def shortest_route(open: Bool[Tensor, "S S"], start: tuple[int, int], goal: tuple[int, int]) -> list[int] | None:
    """The moves of a shortest way from one place to another; nothing if there is none."""
    rows = open.tolist()
    size, arrived = len(rows), {start: WAIT}
    waiting = deque([start])
    while waiting and goal not in arrived:
        row, column = waiting.popleft()
        for move, (down, right) in enumerate(STEPS[:WAIT]):
            there = row + down, column + right
            if there not in arrived and min(there) >= 0 and max(there) < size and rows[there[0]][there[1]]:
                arrived[there] = move
                waiting.append(there)
    if goal not in arrived:
        return None
    route, place = [], goal
    while place != start:
        route.append(arrived[place])
        down, right = STEPS[route[-1]]
        place = place[0] - down, place[1] - right
    return route[::-1]


def padded(moves: Int[Tensor, "N _longest"], length: int) -> Int[Tensor, "N L"]:
    """Routes cut, or filled with waiting, to a length."""
    filler = moves.new_full((len(moves), max(0, length - moves.shape[1])), WAIT)
    return torch.cat([moves[:, :length], filler], dim=1)
