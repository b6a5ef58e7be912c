import pytest
import torch

import ctm
from ctm import ConfigError, DataError
from ctm.tasks.puzzles import MazePaths
from ctm.testing import check_task
from tasks.puzzles.folders import mazes


@pytest.fixture
def config(tmp_path):
    return MazePaths.Config(data=str(mazes(tmp_path, train=100)), size=3, validation_puzzles=5)


def test_training_and_evaluation_can_use_it(config):
    check_task(config)
    check_task(config.replace(augment=False))


def test_the_model_sees_a_channel_for_each_symbol(config):
    task = config.build()
    questions, answers = next(iter(task.evaluation("test", 3)))
    assert questions.shape == (3, 4, 3, 3)
    assert (questions.sum(1) == 1).all()
    assert questions.shape[1:] == config.example(2).shape[1:]
    assert task.text(questions[0]) == ["S##", "  #", "  G"]  # 100 = 0b1100100
    assert task.format_answer(answers[0]) == "\nS##\n  #\nooG"


def test_mazes_are_turned_and_mirrored_in_eight_ways(config):
    task = config.build()
    grids = torch.arange(9).view(1, 1, 3, 3).expand(200, 2, 3, 3)
    changed = task.changed(grids, torch.Generator().manual_seed(0))
    assert torch.equal(changed[:, 0], changed[:, 1])
    square = torch.arange(9).view(3, 3)
    ways = [turned.rot90(turns) for turned in (square, square.T) for turns in range(4)]
    found = changed[:, 0].unique(dim=0)
    assert len(found) == 8
    assert all(any(torch.equal(way, grid) for grid in found) for way in ways)


def test_only_training_mazes_are_changed(config):
    task, plain = config.build(), config.replace(augment=False).build()
    stored = {tuple(answer) for answer in plain.learned["train"].targets.tolist()}
    assert all(tuple(answer) in stored for answer in plain.batch(0, 0, 20).targets.tolist())
    assert not all(tuple(answer) in stored for answer in task.batch(0, 0, 20).targets.tolist())
    for split in ("train", "validation", "test"):
        first, other = (next(iter(some.evaluation(split, 9))) for some in (task, plain))
        assert torch.equal(first.inputs, other.inputs)


def test_question_and_answer_are_changed_alike(config):
    task = config.build()
    questions, answers = task.batch(0, 0, 50)
    for question, answer in zip(questions, answers, strict=True):
        asked, said = "".join(task.text(question)), task.format_answer(answer).replace("\n", "")
        assert all(a == b or (a, b) == (" ", "o") or b == "o" for a, b in zip(asked, said, strict=True))
        assert asked.index("S") == said.index("S")


def test_a_maze_is_read_as_it_is_spelt(config, tmp_path):
    task = config.build()
    seen = task.parse("S##\n  #\n  G\n")
    assert task.text(seen[0]) == ["S##", "  #", "  G"]
    assert torch.equal(task.parse("S##..#..G"), seen)
    (tmp_path / "maze.txt").write_text("S##\n  #\n  G\n")
    assert torch.equal(task.read(tmp_path / "maze.txt"), seen)


@pytest.mark.parametrize(
    ("text", "message"),
    [("S##", "3 characters; expected 9, one for each cell"), ("S##..#..E", "'E'; expected one of '#', ' ', 'S', 'G'")],
)
def test_other_texts_are_refused(config, text, message):
    with pytest.raises(DataError, match=f"^{message}"):
        config.build().parse(text)


def test_without_a_folder_there_are_no_mazes():
    with pytest.raises(ConfigError, match=r"^task\.data: missing; name a folder with train\.csv and test\.csv"):
        MazePaths.Config().build().batch(0, 0, 1)


def test_a_run_knows_where_its_data_are_from_anywhere(tmp_path, monkeypatch):
    mazes(tmp_path)
    monkeypatch.chdir(tmp_path)
    model = ctm.preset("parity/quick").model
    assert MazePaths.Config(data=".").fitted(model) == (MazePaths.Config(data=str(tmp_path)), model)
    assert MazePaths.Config().fitted(model) == (MazePaths.Config(), model)


def test_no_run_begins_without_its_data(tmp_path):
    experiment = ctm.preset("maze-30x30-hard")
    task = experiment.task.replace(data=str(tmp_path))
    with pytest.raises(DataError, match=r"train\.csv: no such file"):
        task.fitted(experiment.model)
    mazes(tmp_path, test=0)
    with pytest.raises(DataError, match=r"test\.csv: no puzzle"):
        task.fitted(experiment.model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 1}, "size = 1: expected at least 2"),
        ({"train_puzzles": 0}, "train_puzzles = 0: expected at least 1"),
        ({"validation_puzzles": 0}, "validation_puzzles = 0: expected at least 1"),
        ({"test_puzzles": 0}, "test_puzzles = 0: expected at least 1"),
    ],
)
def test_impossible_tasks_are_refused(changes, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        MazePaths.Config(**changes)
