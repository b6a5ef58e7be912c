"""What changes a Sudoku into an equivalent one: digits renamed, rows and columns moved within the rules, transposition.

A band is the rows of boxes side by side, a stack the columns of boxes below each other. There are 3,072 such changes of
a 4x4 puzzle, 2.5 million of a 6x6 puzzle and 1.2 * 10^12 of a 9x9 puzzle.
"""

import numpy as np
import torch
from jaxtyping import Int, UInt8, UInt64
from torch import Generator, Tensor

from ctm.tasks.sudoku.solver import Box, units_of

ROUNDS = 4
"""How often every cell hears of the others in its row, column and box, and of those with its digit."""


def shuffled_grids(grids: Int[Tensor, "B K n n"], box: Box, source: Generator) -> Int[Tensor, "B K n n"]:
    """Each sample changed into an equivalent one, all equivalent ones being equally likely.

    Args:
        grids: digits, 0 for an empty cell; the K grids of a sample, such as question and answer, change alike.
        box: the shape of a box.
        source: of all randomness.
    """
    count, size = len(grids), box.size
    if box.rows == box.columns:
        transposed = torch.rand(count, 1, 1, 1, generator=source) < 0.5
        grids = torch.where(transposed, grids.mT, grids)
    rows, columns = (_lines(count, size, each, source) for each in box)  # (B, n) each
    grids = grids.take_along_dim(rows[:, None, :, None], 2).take_along_dim(columns[:, None, None, :], 3)
    names = torch.rand(count, size, generator=source).argsort(-1) + 1  # (B, n)
    names = torch.cat([torch.zeros_like(names[:, :1]), names], 1)  # (B, n + 1), empty cells stay empty
    return names.gather(1, grids.flatten(1)).view_as(grids)


def _lines(count: int, size: int, each: int, source: Generator) -> Int[Tensor, "B n"]:
    """Random orders of rows or columns that keep those of a band or stack, `each` of them, together."""
    groups = torch.rand(count, size // each, generator=source).argsort(-1)  # (B, bands)
    within = torch.rand(count, size // each, each, generator=source).argsort(-1)  # (B, bands, rows of one)
    return (groups.unsqueeze(-1) * each + within).flatten(1)


def fingerprints(
    questions: UInt8[np.ndarray, "N cells"], answers: UInt8[np.ndarray, "N cells"], box: Box
) -> UInt64[np.ndarray, " N"]:
    """A number for every puzzle that is the same for all equivalent ones, and for others hardly ever.

    A cell begins with whether it is a clue, and several times hears of the cells that share its row, column, box and
    digit, whose numbers are added, as their order may not matter. Rows and columns count alike.
    """
    rows, columns, boxes = np.array(units_of(box)).T % box.size
    lines = [np.broadcast_to(line, answers.shape) for line in (rows, columns, boxes)]
    groups = [line[..., None] == np.arange(box.size) for line in (*lines, answers - 1)]  # (N, cells, n) each
    state = _mixed((questions > 0).astype(np.uint64))  # (N, cells)
    with np.errstate(over="ignore"):
        for _ in range(ROUNDS):
            row, column, square, digit = (_shared(state, members) for members in groups)
            state = _mixed(state + _mixed(row) + _mixed(column) + 3 * _mixed(square) + 5 * _mixed(digit))
        return _mixed(state.sum(1))


def _shared(state: np.ndarray, members: np.ndarray) -> np.ndarray:
    """For every cell, the sum over the cells of its group, (N, cells)."""
    sums = (state[..., None] * members).sum(1)  # (N, n)
    return (sums[:, None] * members).sum(-1)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Numbers of 64 bits, scrambled so that sums of them do not coincide."""
    with np.errstate(over="ignore"):
        values = (values + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(32))
