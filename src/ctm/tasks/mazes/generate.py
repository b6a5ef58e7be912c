"""Mazes of the paper's distribution: random depth-first spanning trees, start and goal anywhere (section D.1).

The paper used the maze-dataset package. As there, a walker on the lattice of (S - 1) / 2 x (S - 1) / 2 cells begins in
a random cell, always goes on to a random neighbour not yet visited, and turns back where there is none. Start and goal
are two different cells, all pairs equally likely. A corridor between two cells of the lattice is one pixel long, so a
route has two moves for each step on the lattice.
"""

import numpy as np
import torch
from torch import Generator

from ctm.tasks.mazes.grid import WAIT, Grids

OPPOSITE = np.array([1, 0, 3, 2, 4], np.int8)
"""Down for up, right for left, and so on."""
CHOICES = np.full((16, 12), WAIT, np.int8)
"""Which of the free directions (four bits) a number below 12 means: 12 can be shared evenly by 1, 2, 3 and 4."""
for _free in range(1, 16):
    _directions = [direction for direction in range(4) if _free >> direction & 1]
    CHOICES[_free] = [_directions[number % len(_directions)] for number in range(12)]


def draw(count: int, size: int, source: Generator) -> Grids:
    """Random mazes with their routes.

    Args:
        count: N, how many.
        size: S, pixels of a side, odd and at least 5.
        source: of all randomness.
    """
    side = (size - 1) // 2
    came = _trees(count, side, source)  # (N, (side + 2)^2)
    inner = np.arange(side)
    cells = (np.add.outer(inner * (side + 2), inner) + side + 3).ravel()  # of the lattice within its border
    start = torch.randint(side * side, (count,), generator=source).numpy()
    apart = torch.randint(1, side * side, (count,), generator=source).numpy()
    goal = (start + apart) % (side * side)
    moves = _routes(came, _steps(side), cells[start], cells[goal])
    places = (torch.from_numpy(np.stack(np.divmod(cell, side), axis=1) * 2 + 1) for cell in (start, goal))
    opened = torch.from_numpy(_raster(came[:, cells].reshape(count, side, side)))
    return Grids(opened, *places, torch.from_numpy(moves.repeat(2, axis=1).astype(np.int64)))


def _steps(side: int) -> np.ndarray:
    """How far every move leads in a flattened lattice with a border."""
    return np.array([-side - 2, side + 2, -1, 1, 0])


def _trees(count: int, side: int, source: Generator) -> np.ndarray:
    """Spanning trees of the lattice, as the move that led into each cell, (N, (side + 2)^2) with a border."""
    width, steps = side + 2, _steps(side)
    visited = np.ones((count, width, width), bool)
    visited[:, 1:-1, 1:-1] = False
    visited, came = visited.ravel(), np.full(count * width * width, WAIT, np.int8)
    row, column = torch.randint(side, (2, count), generator=source).numpy()
    here = np.arange(count) * width * width + (row + 1) * width + column + 1
    visited[here] = True
    numbers = torch.randint(12, (2 * side * side, count), generator=source, dtype=torch.uint8).numpy()
    for number in numbers:
        free = sum((~visited[here + step]).astype(np.int8) << bit for bit, step in enumerate(steps[:4]))
        move = CHOICES[free, number]  # WAIT where every neighbour was visited
        back = came[here]
        stuck = move == WAIT
        here = here + steps[np.where(stuck, OPPOSITE[back], move)]
        came[here] = np.where(stuck, came[here], move)
        visited[here] = True
    return came.reshape(count, width * width)


def _raster(came: np.ndarray) -> np.ndarray:
    """Trees (N, side, side) as open pixels (N, S, S): every cell, and the wall it was entered through."""
    count, side, _ = came.shape
    opened = np.zeros((count, 2 * side + 1, 2 * side + 1), bool)
    opened[:, 1::2, 1::2] = True
    opened[:, 2::2, 1::2] |= came == 0  # up: through the wall below
    opened[:, :-2:2, 1::2] |= came == 1
    opened[:, 1::2, 2::2] |= came == 2
    opened[:, 1::2, :-2:2] |= came == 3
    return opened


def _routes(came: np.ndarray, steps: np.ndarray, start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """The moves (N, longest) from start to goal: up the tree to where both ways to the root meet, and down again."""
    (up, above), (down, below) = _ways_to_root(came, steps, start), _ways_to_root(came, steps, goal)
    heights = [(way != WAIT).sum(1)[:, None] for way in (up, down)]  # (N, 1) each
    depth = np.arange(min(above.shape[1], below.shape[1]))
    same = np.take_along_axis(above, np.maximum(heights[0] - depth, 0), 1) == np.take_along_axis(
        below, np.maximum(heights[1] - depth, 0), 1
    )
    shared = (same & (depth <= np.minimum(*heights))).sum(1)[:, None] - 1  # depth at which the ways meet
    ascent, descent = heights[0] - shared, heights[1] - shared
    place = np.arange((ascent + descent).max())
    upwards = OPPOSITE[np.take_along_axis(up, np.minimum(place, up.shape[1] - 1)[None].repeat(len(up), 0), 1)]
    backwards = np.clip(ascent + descent - 1 - place, 0, down.shape[1] - 1)
    downwards = np.take_along_axis(down, backwards, 1)
    return np.where(place < ascent, upwards, np.where(place < ascent + descent, downwards, WAIT))


def _ways_to_root(came: np.ndarray, steps: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The moves that led into each cell on the way up to the root, (N, K), WAIT once there; and the cells."""
    every = np.arange(len(came))
    entered, cells = [came[every, cell]], [cell]
    while (entered[-1] != WAIT).any():
        cells.append(cells[-1] + steps[OPPOSITE[entered[-1]]])
        entered.append(came[every, cells[-1]])
    return np.stack(entered, 1), np.stack(cells, 1)
