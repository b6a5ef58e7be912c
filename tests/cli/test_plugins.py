"""A user's own file on the command line, each command as a process that does not know it yet."""

import json
import os
import subprocess
import sys

import pytest

from cli.test_app import refused, said
from ctm.cli.options import experiments_of
from ctm.comparison.comparison import Comparison
from ctm.training import Run
from plugin_files import TASK, write


@pytest.fixture
def folder(tmp_path, monkeypatch, new_process):
    """Where a user works, with `my_task.py`."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my_task.py")
    return tmp_path


def test_a_file_is_trained_and_its_run_needs_no_more_to_be_known(folder, new_process, capsys):
    said(capsys, "train", "my_task.py", "--training.iterations", 2, "--quiet")
    new_process()
    assert said(capsys, "train", "--resume", "runs/my_task") == "trained: runs/my_task\n"
    new_process()
    scores = json.loads(said(capsys, "evaluate", "runs/my_task", "--json"))
    assert len(scores["accuracy_by_tick"]) == 3
    new_process()
    assert "figures/accuracy.png" in said(capsys, "figures", "runs/my_task")
    new_process()
    assert said(capsys, "think", "runs/my_task", "--index", "3").startswith("answer: ")
    new_process()
    said(capsys, "train", "runs/my_task/config.yaml", "--run", "runs/again", "--quiet")
    assert (folder / "runs" / "again" / "plugins.json").exists()


def test_presets_of_files_are_presets(folder, new_process, capsys):
    assert "kind: larger" in said(capsys, "presets", "my_task.py")
    new_process()
    assert "larger" not in said(capsys, "presets")
    new_process()
    assert "larger " in said(capsys, "presets", "--import", "my_task.py")
    new_process()
    said(capsys, "--import=my_task.py", "train", "larger", "--quiet")
    new_process()
    assert "--task.evaluation-samples" in said(capsys, "train", "my_task.py:larger", "--help")


def test_presets_of_one_file_have_folders_of_their_own(folder, capsys):
    write(folder / "my_task.py", TASK + '\n\nctm.register("mine/second")(lambda: larger())\n')
    said(capsys, "train", "my_task.py:mine/second", "--quiet")
    assert [path.name for path in (folder / "runs").iterdir()] == ["my_task-mine-second"]
    assert "name one of them, as in my_task.py:larger" in refused(capsys, "train", "my_task.py")


def test_what_is_wrong_is_one_line(folder, capsys):
    write(folder / "broken.py", "import ctm\nx = = 1\n")
    assert refused(capsys, "train", "broken.py").endswith("broken.py, line 2: SyntaxError: invalid syntax")
    assert refused(capsys, "presets", "--import", "broken.py").endswith("line 2: SyntaxError: invalid syntax")
    assert "expected a Python file or the name of a package" in refused(capsys, "presets", "--import")
    assert refused(capsys, "train", "nowhere.py").endswith("nowhere.py: no such file")


@pytest.mark.timeout(600)
def test_two_processes_train_the_task_of_a_file_and_speak_once(folder, capsys):
    said(capsys, "train", "my_task.py", "--run", "runs/alone", "--quiet")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
    two = ("--training.devices", "2", "--training.accelerator", "cpu", "--quiet")
    for command in (
        ("ctm.cli", "train", "my_task.py", "--run", "runs/two", *two),
        (*torchrun, "ctm.cli", "train", "--resume", "runs/two", "--iterations", "5", "--quiet"),
    ):
        program = (sys.executable, "-m", *command)
        done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=250, check=False)
        assert (done.returncode, done.stdout) == (0, "trained: runs/two\n"), done.stderr
    losses = [[line["loss"] for line in Run.open(f"runs/{name}").metrics()] for name in ("alone", "two")]
    assert losses[1][: len(losses[0])] == pytest.approx(losses[0], abs=1e-5)
    assert Run.open("runs/two").latest().iteration == 5


def test_a_process_of_a_comparison_knows_a_file_that_moved(folder, new_process, capsys):
    settings = ("--seeds", "0", "--training.iterations", "1", "--quiet")
    Comparison(folder / "runs" / "compare", experiments_of(["my_task.py", "--training.iterations", "1"])[0], (0,))
    new_process()
    (folder / "my_task.py").rename(folder / "moved.py")
    models = write(folder / "models.yaml", "my_task: moved.py\n")
    assert "needs " in refused(capsys, "train", "--resume", "runs/compare/my_task/seed-0")
    said(capsys, "compare", "--models", models, *settings, "--jobs", "2")
    assert Run.open("runs/compare/my_task/seed-0").latest().iteration == 1
