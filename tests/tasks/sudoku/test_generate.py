import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctm import DataError
from ctm.randomness import generator
from ctm.tasks.sudoku.generate import FEWEST, complete, dealt, draw
from ctm.tasks.sudoku.solver import BOXES, solutions
from ctm.tasks.sudoku.symmetry import fingerprints
from tasks.sudoku.test_solver import ALL, follows_the_rules

COUNTS = {"train": 200, "validation": 40, "test": 40}


@settings(max_examples=20, deadline=None)
@given(size=st.sampled_from([4, 4, 6]), few=st.integers(3, 6), more=st.integers(0, 6), seed=st.integers(0, 10**6))
def test_a_puzzle_has_one_solution_and_as_many_clues_as_asked_for(size, few, more, seed):
    box, least = BOXES[size], FEWEST[size] + few
    question, answer = draw(box, (least, least + more), torch.Generator().manual_seed(seed))
    assert follows_the_rules(answer.tolist(), box)
    assert solutions(question.tolist(), box) == [answer.tolist()]
    assert ((question == 0) | (question == answer)).all()
    assert least <= (question > 0).sum() <= least + more


def test_a_puzzle_of_9x9_has_one_solution():
    question, answer = draw(BOXES[9], (30, 36), torch.Generator().manual_seed(0))
    assert solutions(question.tolist(), BOXES[9]) == [answer.tolist()]
    assert 30 <= (question > 0).sum() <= 36


def test_all_numbers_of_clues_come():
    source = torch.Generator().manual_seed(0)
    clues = [int((draw(BOXES[4], (6, 9), source)[0] > 0).sum()) for _ in range(200)]
    assert min(np.bincount(clues, minlength=10)[6:]) > 20


def test_all_complete_grids_come_about_alike():
    source = torch.Generator().manual_seed(0)
    drawn = [complete(BOXES[4], source) for _ in range(2880)]
    counts = [drawn.count(grid) for grid in ALL]
    assert sum(counts) == 2880
    assert min(counts) >= 1
    assert max(counts) < 40  # 10 on average


def test_a_puzzle_of_too_few_clues_is_given_up(monkeypatch):
    monkeypatch.setattr("ctm.tasks.sudoku.generate.TRIALS", 3)
    with pytest.raises(DataError, match=r"clues = \(8, 8\): none of 3 random grids of 6 x 6 gave a puzzle of so few"):
        draw(BOXES[6], (8, 8), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [4, 6])
def test_splits_have_no_equivalent_puzzles(size):
    splits = dealt(BOXES[size], (FEWEST[size] + 2, FEWEST[size] + 8), COUNTS, seed=0)
    prints = {}
    for split, (questions, answers) in splits.items():
        assert (questions.dtype, questions.shape[1]) == (torch.uint8, size**2)
        prints[split] = set(fingerprints(questions.numpy(), answers.numpy(), BOXES[size]).tolist())
        assert len(questions) == len(answers) <= COUNTS[split]
    assert len(splits["test"].inputs) == 40
    assert len(splits["train"].inputs) > 0.8 * 200
    assert not prints["train"] & prints["test"]
    assert not prints["train"] & prints["validation"]
    assert not prints["test"] & prints["validation"]


def test_puzzles_are_those_of_the_seed():
    first, again, other = (dealt(BOXES[4], (5, 8), COUNTS, seed) for seed in (0, 0, 1))
    for split in COUNTS:
        assert all(map(torch.equal, first[split], again[split]))
        assert not torch.equal(first[split].inputs[:20], other[split].inputs[:20])


def test_test_puzzles_are_in_the_order_in_which_they_were_drawn():
    """So that equivalent ones do not stand together."""
    questions, _ = dealt(BOXES[4], (5, 8), COUNTS, seed=0)["test"]
    source = generator("sudoku", 0, 4, 5, 8)
    drawn = [tuple(draw(BOXES[4], (5, 8), source)[0].tolist()) for _ in range(280)]
    places = [drawn.index(tuple(question)) for question in questions.tolist()]
    assert places == sorted(places)


def test_too_few_puzzles_are_an_error():
    """There are only two complete 4x4 grids that are not equivalent."""
    with pytest.raises(DataError, match=r"^20 puzzles of 4 x 4: none is left for the \w+ split .* ask for more"):
        dealt(BOXES[4], (16, 16), {"train": 1, "validation": 1, "test": 18}, seed=0)
