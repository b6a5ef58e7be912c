"""Random Sudoku puzzles that have one solution: complete grids, from which clues are taken one after the other."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Generator

from ctm.errors import DataError
from ctm.randomness import generator
from ctm.tasks.base import Batch, Split
from ctm.tasks.sudoku.solver import Box, solutions
from ctm.tasks.sudoku.symmetry import fingerprints

FEWEST = {4: 4, 6: 8, 9: 17}
"""By the size of a puzzle, the smallest number of clues with which a solution can be the only one."""
TRIALS = 200
"""How many complete grids in a row may give no puzzle of so few clues."""


def complete(box: Box, source: Generator) -> list[int]:
    """A random complete grid, n n digits row by row; every one of the grids that there are can come."""
    cells = box.size**2
    order = torch.rand(cells, box.size, generator=source).argsort(-1) + 1
    return solutions([0] * cells, box, most=1, order=order.tolist())[0]


def draw(box: Box, clues: tuple[int, int], source: Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random puzzle, and its only solution.

    Clues are taken away in random order, as long as the solution stays the only one, until there are as many left as
    was drawn, each number from the least to the most being equally likely. If that is not to be reached, what
    is left is the puzzle unless it has more clues than the most: then another grid is tried.

    Args:
        box: the shape of a box.
        clues: how many there are, at least and at most.
        source: of all randomness.

    Returns:
        question and answer, (n n) uint8 each, row by row; 0 where a cell of the question is empty.

    Raises:
        DataError: if no puzzle of so few clues is found.
    """
    least, most = clues
    for _ in range(TRIALS):
        answer = complete(box, source)
        wanted = int(torch.randint(least, most + 1, (), generator=source))
        question, left = answer.copy(), len(answer)
        for cell in torch.randperm(len(answer), generator=source).tolist():
            if left == wanted:
                break
            question[cell] = 0
            if len(solutions(question, box)) == 1:
                left -= 1
            else:
                question[cell] = answer[cell]
        if left <= most:
            return np.array(question, np.uint8), np.array(answer, np.uint8)
    raise DataError(
        f"clues = {clues}: none of {TRIALS} random grids of {box.size} x {box.size} gave a puzzle of so few clues; "
        "allow more of them"
    )


def dealt(box: Box, clues: tuple[int, int], counts: Mapping[Split, int], seed: int) -> dict[Split, Batch]:
    """Random puzzles for all splits, none of which is equivalent to one of another split.

    All are drawn at once. Those with the smallest fingerprints are to be tested on, the next to validate on, and the
    others to learn from, which are a few less than their share: what is equivalent to one before is left out.

    Args:
        box: the shape of a box.
        clues: as for `draw`.
        counts: how many puzzles each split gets.
        seed: which ones.

    Returns:
        questions and answers, (N, n n) uint8 each, in the order in which they were drawn.

    Raises:
        DataError: if no puzzle of so few clues is found, or all that were are equivalent to each other.
    """
    source = generator("sudoku", seed, box.size, *clues)
    drawn = [draw(box, clues, source) for _ in range(sum(counts.values()))]
    questions, answers = (np.stack(grids) for grids in zip(*drawn, strict=True))
    prints = fingerprints(questions, answers, box)
    left, splits = np.argsort(prints, kind="stable"), {}
    for split in ("test", "validation", "train"):
        chosen, left = left[: counts[split]], left[counts[split] :]
        if not len(chosen):
            raise DataError(
                f"{len(drawn)} puzzles of {box.size} x {box.size}: none is left for the {split} split that is not "
                "equivalent to one of another split; ask for more of them, or for more clues"
            )
        left = left[~np.isin(prints[left], prints[chosen])]
        splits[split] = Batch(*(torch.from_numpy(grids[np.sort(chosen)]) for grids in (questions, answers)))
    return splits
