import numpy as np
import torch

from ctm import Record, Thoughts
from ctm.tasks.puzzles.figures import puzzle_frames, puzzle_picture

SUDOKU = (
    ["1...", "3...", "4...", "2..."],
    "1234",
    torch.tensor([int(digit) - 1 for digit in "1234341243212143"]),
    (2, 2),
)
MAZE = (["S##", "  #", "  G"], "# SGo", torch.tensor([2, 0, 0, 1, 1, 0, 4, 4, 3]), (3, 3))


def thoughts(symbols, target, right, ticks=3, grid=(4, 4)):
    """Thoughts that say the target from the second tick on, or the first symbol everywhere."""
    answers = torch.zeros(1, ticks, len(target), dtype=torch.int64)
    if right:
        answers[:, 1:] = target
    record = Record(None, torch.rand(1, ticks, 3), None, torch.rand(1, ticks, 4, grid[0] * grid[1]), None, grid)
    certainty = torch.linspace(0.1, 0.9, ticks).unsqueeze(0)
    return Thoughts(5 * torch.nn.functional.one_hot(answers, len(symbols)).float(), certainty, None, record)


def texts(figure):
    return [text.get_text() for text in figure.texts]


def cells(axes):
    """What is written into the cells, and the colours of their ground."""
    return [text.get_text() for text in axes.texts], np.asarray(axes.images[0].get_array())


def test_a_sudoku_is_drawn_with_its_answer():
    question, symbols, target, box = SUDOKU
    figure = puzzle_picture(thoughts(symbols, target, right=True), question, symbols, target, box)
    assert "solved ✓" in texts(figure)
    assert "Tick 3" in texts(figure)
    written, ground = cells(figure.axes[0])
    assert "".join(written) == "1234341243212143"
    assert (ground[:, 0] == 1).all()  # clues stand on white
    assert (ground[:, 1:] < 1).any(-1).all()
    assert "".join(cells(figure.axes[1])[0]) == "1342"


def test_what_is_wrong_has_another_colour():
    question, symbols, target, box = SUDOKU
    figure = puzzle_picture(thoughts(symbols, target, right=True), question, symbols, target, box, tick=0)
    assert "12 of 16 cells wrong" in texts(figure)
    written, ground = cells(figure.axes[0])
    assert "".join(written) == "1" * 16
    wrong = (target != 0).view(4, 4).numpy()
    red, _, blue = ground.transpose(2, 0, 1)
    assert (red[wrong] > blue[wrong]).all()
    assert (red[~wrong] <= blue[~wrong]).all()


def test_without_the_right_answer_nobody_knows():
    question, symbols, target, box = SUDOKU
    figure = puzzle_picture(thoughts(symbols, target, right=True), question, symbols, None, box)
    assert not any("wrong" in text or "solved" in text for text in texts(figure))
    red, _, blue = cells(figure.axes[0])[1][:, 1:].transpose(2, 0, 1)
    assert (blue > red).all()


def test_a_path_through_a_maze_is_a_colour():
    question, symbols, target, box = MAZE
    figure = puzzle_picture(thoughts(symbols, target, True, grid=(2, 2)), question, symbols, target, box)
    written, ground = cells(figure.axes[0])
    assert written == ["S", "G"]
    walls = np.array([[symbol == "#" for symbol in row] for row in question])
    assert (ground[walls] < 0.2).all()
    assert (ground[2, :2] < 1).any(-1).all()
    assert (ground[1, :2] == 1).all()


def test_an_animation_has_two_frames_a_tick():
    question, symbols, target, box = SUDOKU
    frames = list(puzzle_frames(thoughts(symbols, target, True), question, symbols, target, box))
    assert [frame.shape for frame in frames] == [(370, 800, 3)] * 5
    assert not np.array_equal(frames[0], frames[-1])


def test_what_is_missing_of_a_path_is_red():
    question, symbols, target, box = MAZE
    answers = torch.tensor([2, 0, 0, 1, 1, 0, 4, 1, 3])  # one cell short
    seen = thoughts(symbols, answers, True, grid=(2, 2))
    figure = puzzle_picture(seen, question, symbols, target, box)
    assert "1 of 9 cells wrong" in texts(figure)
    red, _, blue = cells(figure.axes[0])[1].transpose(2, 0, 1)
    assert np.argwhere(red > blue + 0.1).tolist() == [[2, 1]]


def test_a_model_that_does_not_attend_has_a_picture_without_attention():
    question, symbols, target, box = SUDOKU
    seen = thoughts(symbols, target, True)
    blind = seen._replace(record=seen.record._replace(attention=None, grid=()))
    figure = puzzle_picture(blind, question, symbols, target, box)
    assert "solved ✓" in texts(figure)
    assert "Attention heads" not in texts(figure)
    assert (cells(figure.axes[1])[1] == 1).all()
