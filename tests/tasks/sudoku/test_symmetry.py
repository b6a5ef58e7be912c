import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ctm.tasks.sudoku.generate import draw
from ctm.tasks.sudoku.solver import BOXES, solutions
from ctm.tasks.sudoku.symmetry import fingerprints, shuffled_grids

SIZES = st.sampled_from(list(BOXES))


def puzzles(size, count, seed):
    """Questions and answers, (count, 2, n, n)."""
    source = torch.Generator().manual_seed(seed)
    clues = {4: (4, 8), 6: (10, 16), 9: (40, 50)}[size]
    drawn = [np.stack(draw(BOXES[size], clues, source)) for _ in range(count)]
    return torch.from_numpy(np.stack(drawn)).long().unflatten(-1, (size, size))


def prints(grids, box):
    questions, answers = grids.to(torch.uint8).flatten(2).unbind(1)
    return fingerprints(questions.numpy(), answers.numpy(), box)


@settings(max_examples=8, deadline=None)
@given(size=SIZES, seed=st.integers(0, 10**6))
def test_a_changed_puzzle_is_a_puzzle_with_the_changed_solution(size, seed):
    box, before = BOXES[size], puzzles(size, 2, seed)
    after = shuffled_grids(before, box, torch.Generator().manual_seed(seed + 1))
    assert after.shape == before.shape
    for question, answer in after.flatten(2).tolist():
        assert solutions(question, box) == [answer]
    assert torch.equal((after[:, 0] > 0).sum((1, 2)), (before[:, 0] > 0).sum((1, 2)))


@settings(max_examples=8, deadline=None)
@given(size=SIZES, seed=st.integers(0, 10**6))
def test_equivalent_puzzles_have_one_fingerprint(size, seed):
    box, before = BOXES[size], puzzles(size, 3, seed)
    after = shuffled_grids(before, box, torch.Generator().manual_seed(seed + 1))
    assert (prints(before, box) == prints(after, box)).all()


def test_other_puzzles_have_other_fingerprints():
    """Of 4x4 with four clues there are 13 that are not equivalent."""
    source = torch.Generator().manual_seed(0)
    drawn = torch.from_numpy(np.stack([np.stack(draw(BOXES[4], (4, 6), source)) for _ in range(1000)])).long()
    grids = drawn[(drawn[:, 0] > 0).sum(1) == 4].unflatten(-1, (4, 4))
    assert len(set(prints(grids, BOXES[4]).tolist())) == 13
    larger = puzzles(6, 100, seed=0)
    assert len(set(prints(larger, BOXES[6]).tolist())) == 100


def test_fingerprints_stay_what_they_are():
    """They say which puzzles are tested on."""
    assert prints(puzzles(4, 1, seed=0), BOXES[4]).tolist() == [7033185212855026256]


def test_all_3072_equivalents_of_a_4x4_puzzle_come():
    question = torch.zeros(1, 2, 4, 4, dtype=torch.int64)
    question[0, :] = torch.tensor([[1, 2, 3, 0], [0, 0, 0, 0], [0, 3, 0, 0], [4, 0, 0, 0]])
    many = shuffled_grids(question.expand(60_000, -1, -1, -1), BOXES[4], torch.Generator().manual_seed(0))
    assert torch.equal(many[:, 0], many[:, 1])
    counts = many[:, 0].flatten(1).unique(dim=0, return_counts=True)[1]
    assert len(counts) == 3072
    assert counts.max() < 50  # 20 on average


@pytest.mark.parametrize("size", [6, 9])
def test_rows_of_a_band_stay_together(size):
    box = BOXES[size]
    rows = torch.arange(1, size + 1).view(1, 1, -1, 1).expand(50, 1, size, size)
    after = shuffled_grids(rows, box, torch.Generator().manual_seed(0))
    if box.rows == box.columns:
        transposed = (after[:, 0, 0] != after[:, 0, 0, :1]).any(1)
        assert 10 < int(transposed.sum()) < 40
    else:
        assert (after == after[..., :1]).all()
    moved = {tuple(grid[0, :, 0].tolist()) for grid in after}
    assert len(moved) > 20


def test_which_lines_go_together():
    """Rows with the pattern of a band, digits only renamed, come out with the pattern of a band."""
    box = BOXES[6]
    bands = torch.tensor([1, 1, 2, 2, 3, 3]).view(1, 1, 6, 1).expand(100, 1, 6, 6)
    after = shuffled_grids(bands, box, torch.Generator().manual_seed(0))[:, 0, :, 0]
    assert (after[:, ::2] == after[:, 1::2]).all()
    assert len({tuple(row.tolist()) for row in after}) > 50
    stacks = torch.tensor([1, 1, 1, 2, 2, 2]).view(1, 1, 1, 6).expand(100, 1, 6, 6)
    after = shuffled_grids(stacks, box, torch.Generator().manual_seed(0))[:, 0, 0]
    assert (after.unflatten(1, (2, 3)).diff() == 0).all()
