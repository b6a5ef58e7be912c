import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctm.tasks.sudoku.solver import BOXES, Box, solutions, units_of


def follows_the_rules(grid, box):
    """Whether no digit stands twice in a row, a column or a box."""
    units = {}
    for cell, digit in enumerate(grid):
        row, column = divmod(cell, box.size)
        square = row // box.rows, column // box.columns
        for unit in (("row", row), ("column", column), ("box", square)):
            units.setdefault(unit, []).append(digit)
    return all(len(set(digits)) == len(digits) for digits in units.values())


BANDS = [
    (*first, *second)
    for first, second in itertools.permutations(itertools.permutations(range(1, 5)), 2)
    if all(len({*first[start : start + 2], *second[start : start + 2]}) == 4 for start in (0, 2))
]
ALL = [[*upper, *lower] for upper in BANDS for lower in BANDS if follows_the_rules([*upper, *lower], Box(2, 2))]
"""Every complete grid of 4x4, found by trying all rows in turn."""


def test_there_are_288_grids_of_4x4():
    found = solutions([0] * 16, BOXES[4], most=1000)
    assert len(found) == len(ALL) == 288
    assert sorted(found) == sorted(ALL)


@given(
    answer=st.sampled_from(ALL),
    shown=st.sets(st.integers(0, 15), max_size=9),
    wrong=st.none() | st.tuples(st.integers(0, 15), st.integers(1, 4)),
)
def test_solutions_are_those_of_trying_everything(answer, shown, wrong):
    question = [digit if cell in shown else 0 for cell, digit in enumerate(answer)]
    if wrong is not None:
        question[wrong[0]] = wrong[1]
    expected = [grid for grid in ALL if all(clue in (0, digit) for clue, digit in zip(question, grid, strict=True))]
    before = question.copy()
    assert sorted(solutions(question, BOXES[4], most=300)) == sorted(expected)
    assert len(solutions(question, BOXES[4])) == min(2, len(expected))
    assert question == before


def test_a_known_hard_puzzle_is_solved():
    """That of Arto Inkala, from newspapers of 2012."""
    question = "8..........36......7..9.2...5...7.......457.....1...3...1....68..85...1..9....4.."
    answer = "812753649943682175675491283154237896369845721287169534521974368438526917796318452"
    found = solutions([int(cell) for cell in question.replace(".", "0")], BOXES[9])
    assert ["".join(map(str, grid)) for grid in found] == [answer]


@pytest.mark.parametrize("size", BOXES)
def test_digits_are_tried_in_the_order_that_is_given(size):
    box = BOXES[size]
    backwards = [range(size, 0, -1)] * size**2
    first, last = (solutions([0] * size**2, box, most=1, order=order)[0] for order in (None, backwards))
    assert first[:size] == [*range(1, size + 1)]
    assert last == [size + 1 - digit for digit in first]
    assert follows_the_rules(first, box)


def test_a_6x6_box_has_two_rows():
    """Rows are counted from 0, columns from 6 and boxes from 12."""
    units = units_of(BOXES[6])
    assert units[0] == (0, 6, 12)
    assert units[9] == (1, 9, 13)
    assert units[12] == (2, 6, 14)
    assert [sum(square == box for *_, square in units) for box in range(12, 18)] == [6] * 6
