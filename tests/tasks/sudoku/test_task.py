import pytest
import torch

import ctm
from ctm import ConfigError, DataError
from ctm.cli import main
from ctm.tasks.sudoku import Sudoku
from ctm.tasks.sudoku.solver import BOXES, solutions
from ctm.testing import check_task
from tasks.puzzles.folders import folder

FEW = {"train_puzzles": 40, "validation_puzzles": 8, "test_puzzles": 8}
QUESTION, ANSWER = "1...3...4...2...", "1234341243212143"


@pytest.fixture(scope="module")
def task():
    return Sudoku.Config(clues=(5, 8), **FEW).build()


def digits(task, questions):
    return [[int(symbol) for symbol in "".join(task.text(question)).replace(".", "0")] for question in questions]


def test_training_and_evaluation_can_use_it(task):
    check_task(task)


@pytest.mark.parametrize("size", [4, 6])
def test_batches_are_puzzles_with_their_only_solution(size):
    task = Sudoku.Config(size=size, clues=(10, 14), **FEW).build()
    batches = [task.batch(0, 0, 6), *(next(iter(task.evaluation(split, 3))) for split in ("validation", "test"))]
    for questions, answers in batches:
        assert questions.shape[1:] == (size + 1, size, size) == task.config.example(1).shape[1:]
        assert (questions.dtype, answers.dtype) == (torch.float32, torch.int64)
        assert answers.shape[1:] == (size**2,)
        for question, answer in zip(digits(task, questions), answers, strict=True):
            assert solutions(question, BOXES[size]) == [(answer + 1).tolist()]


def test_batches_are_those_of_the_seed_and_the_iteration(task):
    again = Sudoku.Config(clues=(5, 8), **FEW).build()
    assert torch.equal(task.batch(3, 7, 5).inputs, again.batch(3, 7, 5).inputs)
    before = torch.random.get_rng_state()
    batches = [task.batch(*moment, 5).inputs for moment in ((0, 0), (0, 1), (1, 0))]
    assert not any(torch.equal(batches[0], other) for other in batches[1:])
    assert torch.equal(torch.random.get_rng_state(), before)
    other = Sudoku.Config(clues=(5, 8), data_seed=1, **FEW).build()
    assert not torch.equal(
        next(iter(task.evaluation("test", 8))).inputs, next(iter(other.evaluation("test", 8))).inputs
    )


def test_without_augmentation_the_stored_puzzles_are_learned(task):
    plain = Sudoku.Config(clues=(5, 8), augment=False, **FEW).build()
    count = len(plain.learned["train"].targets)
    seen = {tuple(answer) for answer in plain.batch(0, 0, count).targets.tolist()}
    assert seen == {tuple(answer) for answer in task.learned["train"].targets.tolist()}


def test_published_puzzles_are_read_from_a_folder(tmp_path):
    lines = [f"made,{QUESTION},{ANSWER},1\n", f"made,{QUESTION.replace('.', '0')},{ANSWER},1\n"]
    task = Sudoku.Config(data=str(folder(tmp_path, lines, lines[:1])), test_puzzles=None, train_puzzles=None).build()
    for split in ("train", "validation", "test"):
        questions, answers = next(iter(task.evaluation(split, 9)))
        assert digits(task, questions) == [[int(cell) for cell in QUESTION.replace(".", "0")]]
        assert "".join(str(cell + 1) for cell in answers[0].tolist()) == ANSWER
    questions, answers = task.batch(0, 0, 4)
    for question, answer in zip(digits(task, questions), (answers + 1).tolist(), strict=True):
        assert answer in solutions(question, BOXES[4], most=99)


def test_a_broken_puzzle_is_named_with_its_line(tmp_path):
    lines = [f"made,{QUESTION},{ANSWER},1\n", f"made,{QUESTION},{ANSWER.replace('4', '5')},1\n"]
    with pytest.raises(DataError, match=r"test\.csv, line 3: answer: '5'; expected one of '1', '2', '3', '4'$"):
        Sudoku.Config(data=str(folder(tmp_path, lines, lines))).build().sample(0)


@pytest.mark.parametrize("text", [QUESTION, QUESTION.replace(".", "0"), "1... 3...\n4..0\n2...\n"])
def test_a_typed_puzzle_is_read(task, text):
    assert task.text(task.parse(text)[0]) == ["1...", "3...", "4...", "2..."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1...", "4 characters; expected 16, one for each cell"),
        (QUESTION + "1", "17 characters"),
        (QUESTION.replace("4", "5"), r"'5'; expected one of '\.', '1', '2', '3', '4'"),
    ],
)
def test_other_texts_are_refused(task, text, message):
    with pytest.raises(DataError, match=f"^{message}"):
        task.parse(text)


def test_an_answer_is_a_grid_with_its_boxes():
    answer = torch.tensor([int(digit) - 1 for digit in ANSWER])
    assert Sudoku.Config().build().format_answer(answer) == "\n12 34\n34 12\n43 21\n21 43"
    rows = torch.arange(6).repeat(6, 1)
    assert Sudoku.Config(size=6, clues=(9, 12)).build().format_answer(rows) == "\n123 456" * 6


def test_an_answer_is_read_as_it_is_spelt(task):
    _, answers = next(iter(task.evaluation("test", 8)))
    for answer in answers:
        question = task.parse(task.format_answer(answer))  # no cell is empty
        assert torch.equal(question[0].argmax(0).flatten(), answer + 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 5}, "size = 5: expected 4, 6 or 9"),
        ({"clues": (3, 8)}, r"clues = \(3, 8\): expected the least and the most, from 4, the fewest .*, to 16"),
        ({"clues": (8, 7)}, r"clues = \(8, 7\): expected the least"),
        ({"clues": (8, 17)}, r"clues = \(8, 17\): expected the least"),
        ({"size": 9, "clues": (16, 30)}, r"clues = \(16, 30\): .* from 17"),
        ({"train_puzzles": None}, "train_puzzles = None: expected a number, since the puzzles are drawn"),
        ({"test_puzzles": None}, "test_puzzles = None: expected a number"),
    ],
)
def test_impossible_tasks_are_refused(changes, message):
    with pytest.raises(ConfigError, match=f"^{message}"):
        Sudoku.Config(**changes)


def test_a_run_learns_thinks_and_draws(tmp_path, capsys):
    few = ["--task.train-puzzles", "30", "--task.validation-puzzles", "6", "--task.test-puzzles", "6"]
    run = str(tmp_path / "run")
    main(["train", "sudoku/4x4", "--run", run, "--training.iterations", "2", "--model.ticks", "3", *few])
    capsys.readouterr()
    main(["think", run, "--text", QUESTION])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "answer: "
    assert [len(row) for row in said[1:5]] == [5] * 4
    assert (tmp_path / "run" / "figures" / "think-text.gif").exists()
    task = ctm.Run.open(run).experiment.task.build()
    sample = task.sample(2)
    thoughts = ctm.Run.open(run).load_model()(sample.inputs, record=True)
    assert [name for name, _ in task.figures(thoughts, sample)] == ["puzzle"]
