import json
import re

import pytest
import torch
from PIL import Image

import ctm
from cli.commands import refused, said
from ctm.cli import main
from ctm.tasks.mazes.published import read_picture
from ctm.tasks.mazes.store import Store
from tasks.mazes.drawn import painted, some

TINY = [
    *(
        "--task.train-mazes",
        "20",
        "--task.validation-mazes",
        "10",
        "--task.test-mazes",
        "10",
        "--task.route-length",
        "6",
    ),
    *("--model.readout.answer", "6", "--model.core.neurons", "20", "--model.ticks", "2"),
    *("--model.observer.embedding", "8", "--training.iterations", "2", "--training.batch-size", "4"),
    *("--training.accelerator", "cpu", "--quiet"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that learned next to nothing."""
    folder = tmp_path_factory.mktemp("mazes")
    made = ["train", "mazes/quick", "--run", str(folder / "run"), "--task.cache", str(folder / "cache"), *TINY]
    assert main(made) == 0
    return folder / "run"


def test_larger_mazes_are_walked_and_drawn(run, capsys):
    arguments = ("reapply", run, "--size", 11, "--count", 5, "--applications", 3)
    lines = said(capsys, *arguments).splitlines()
    assert re.fullmatch(r"goal reached: \d\.\d{4} of 5 mazes of 11 x 11", lines[0])
    assert re.fullmatch(r"by a random walk of as many moves: \d\.\d{4}", lines[1])
    for name in ("journey-11", "reapplied-11"):
        assert str(run / "figures" / f"{name}.png") in lines
        with Image.open(run / "figures" / f"{name}.png") as picture:
            assert picture.size[0] >= 800
    told = json.loads(said(capsys, *arguments, "--json"))
    assert (told["size"], told["checkpoint"], len(told["lengths"])) == (11, "best", 5)
    assert all(1 <= count <= 3 for count in told["applications"])
    assert all(0 <= moves <= 3 * 6 for moves in told["moves"])
    assert all(moves > 0 for moves, share in zip(told["moves"], told["reached_by_chance"], strict=True) if share)
    assert json.loads(said(capsys, *arguments, "--json")) == told
    assert json.loads(said(capsys, *arguments, "--json", "--seed", 1))["lengths"] != told["lengths"]


def test_more_views_of_a_maze_lead_as_far_or_further(run, capsys):
    asked = ("reapply", run, "--size", 9, "--count", 10, "--json")
    one, eight = (json.loads(said(capsys, *asked, "--views", views)) for views in (1, 8))
    assert all(more >= once for once, more in zip(one["applications"], eight["applications"], strict=True))
    assert all(more >= once for once, more in zip(one["reached"], eight["reached"], strict=True))
    assert sum(eight["applications"]) > sum(one["applications"])


def test_mazes_of_the_size_trained_on_are_those_of_the_test_split(run, capsys):
    told = json.loads(said(capsys, "reapply", run, "--size", 9, "--count", 4, "--json"))
    cache = run.parent / "cache"
    (test,) = cache.glob("*-test.safetensors")
    assert told["lengths"] == Store.load(test).grids(slice(4)).lengths.tolist()


def test_walking_in_another_precision(run, capsys, monkeypatch):
    precisions = []
    forward = ctm.ContinuousThoughtMachine.forward

    def watched(*inputs, **others):
        precisions.append(torch.is_autocast_enabled("cpu"))
        return forward(*inputs, **others)

    monkeypatch.setattr(ctm.ContinuousThoughtMachine, "forward", watched)
    asked = ("reapply", run, "--size", 9, "--count", 2, "--applications", 1, "--json")
    said(capsys, *asked)
    said(capsys, *asked, "--precision", "bf16")
    assert precisions == [False, True]


def test_a_picture_is_walked_and_thought_about(run, tmp_path, capsys):
    path = tmp_path / "mine.png"
    Image.fromarray(painted(some(1, 13), solved=False)).save(path)
    assert "of 1 mazes of 13 x 13" in said(capsys, "reapply", run, "--input", path)
    assert (run / "figures" / "journey-mine.png").stat().st_size > 1000
    lines = dict(line.split(": ", 1) for line in said(capsys, "think", run, "--input", path).splitlines())
    assert re.fullmatch(r"[↑↓←→·]{1,6}|no move", lines["answer"])
    with Image.open(lines["animation"]) as animation:
        assert animation.size == (800, 370)
    Image.fromarray(painted(some(1), solved=False)[:-1]).save(path)
    for command in ("think", "reapply"):
        assert "mine.png: 9 x 8 pixels: expected a square" in refused(capsys, command, run, "--input", path)


def test_everything_there_is_to_see(run, capsys):
    names = {line.rsplit("/", 1)[-1] for line in said(capsys, "figures", run).splitlines()}
    assert {"route.png", "lengths.png", "training.png", "accuracy.png", "thinking.gif"} <= names
    assert "test whole accuracy" in said(capsys, "evaluate", run)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--size", "8"], "size = 8: expected odd"),
        (["--count", "0"], "count = 0: expected at least 1"),
        (["--applications", "0"], "applications = 0: expected at least 1"),
        (["--mistakes", "-1"], "mistakes = -1: expected at least 0"),
        (["--views", "0"], "views = 0: expected 1 to 8"),
        (["--views", "9"], "views = 9: expected 1 to 8"),
        (["--ticks", "0"], "ticks = 0: expected at least 1"),
        (["--input", "none.png"], "none.png: no such file"),
    ],
)
def test_nonsense_is_refused(run, capsys, options, message):
    assert message in refused(capsys, "reapply", run, *options)


def test_only_maze_runs_can_be_walked(tmp_path, capsys):
    ctm.training.Run.create(tmp_path / "parity", ctm.preset("parity/quick"))
    assert "learned parity: expected a run that learned mazes" in refused(capsys, "reapply", tmp_path / "parity")
    assert "not a run" in refused(capsys, "reapply", tmp_path)


def test_the_picture_that_was_drawn_is_read_again(tmp_path):
    mazes = some(1, 15)
    Image.fromarray(painted(mazes)).save(tmp_path / "maze.png")
    assert torch.equal(read_picture(tmp_path / "maze.png").moves, mazes.moves)
