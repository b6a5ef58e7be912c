"""Solves Sudoku exactly: digits as bits, and always the empty cell that has the fewest candidates first."""

import functools
from collections.abc import Sequence
from typing import NamedTuple


class Box(NamedTuple):
    """The shape of a box; a puzzle has as many rows, columns, boxes and digits as a box has cells."""

    rows: int
    columns: int

    @property
    def size(self) -> int:
        """n, cells of a row, a column or a box."""
        return self.rows * self.columns


@functools.cache
def units_of(box: Box) -> list[tuple[int, int, int]]:
    """Row, column and box of every cell, row by row, all of them counted together: there are 3 n."""
    size = box.size
    places = [divmod(cell, size) for cell in range(size * size)]
    return [
        (row, size + column, 2 * size + row // box.rows * box.rows + column // box.columns) for row, column in places
    ]


BOXES = {4: Box(2, 2), 6: Box(2, 3), 9: Box(3, 3)}
"""By the size of a puzzle."""


def solutions(grid: Sequence[int], box: Box, most: int = 2, order: Sequence[Sequence[int]] | None = None) -> list:
    """The solutions of a puzzle.

    Args:
        grid: n n digits from 1 to n, row by row, 0 where a cell is empty.
        box: the shape of a box.
        most: ends the search after so many.
        order: for every cell, the digits in the order in which they are tried; by default from 1 to n.

    Returns:
        lists of n n digits, `most` at most; none if the clues contradict each other.
    """
    size, units, filled = box.size, units_of(box), list(grid)
    used = [0] * (3 * size)  # the digits of every row, column and box, as bits
    for members, digit in zip(units, filled, strict=True):
        bit = 1 << digit
        if digit and any(used[unit] & bit for unit in members):
            return []
        for unit in members if digit else ():
            used[unit] |= bit
    every, found = (1 << (size + 1)) - 2, []
    tried = [range(1, size + 1)] * len(units) if order is None else order
    guesses: list[tuple[int, list[int]]] = []  # cells, and the digits still to be tried there, the next one last
    while True:
        fewest, chosen, candidates = size + 1, -1, 0
        for cell, (row, column, square) in enumerate(units):
            if not filled[cell]:
                free = every & ~(used[row] | used[column] | used[square])
                if free.bit_count() < fewest:
                    fewest, chosen, candidates = free.bit_count(), cell, free
                    if fewest < 2:
                        break
        if chosen >= 0:
            guesses.append((chosen, [digit for digit in reversed(tried[chosen]) if candidates >> digit & 1]))
        else:
            found.append(filled.copy())
            if len(found) == most:
                return found
        while guesses:
            cell, digits = guesses[-1]
            for unit in units[cell] if filled[cell] else ():
                used[unit] ^= 1 << filled[cell]
            filled[cell] = digits.pop() if digits else 0
            if filled[cell]:
                for unit in units[cell]:
                    used[unit] ^= 1 << filled[cell]
                break
            guesses.pop()
        else:
            return found
