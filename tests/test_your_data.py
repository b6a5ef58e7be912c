"""The complete example of docs/your-data.md runs as it stands there, with fewer iterations."""

import re
import shlex
from pathlib import Path

import ctm
from ctm.cli import main

TEXT = (Path(__file__).parents[1] / "docs" / "your-data.md").read_text(encoding="utf-8")
FEWER = "--model.ticks 2 --training.iterations 2 --training.batch-size 8 --quiet"


def test_the_example_of_the_documentation_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make, fit = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    commands = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)[0].splitlines()
    names: dict = {}
    exec(make, names)
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "ctm"
        if arguments[0] != "figures":  # which takes seconds and has tests of its own
            assert main(arguments + FEWER.split() * (arguments[0] == "train")) == 0
    said = capsys.readouterr().out
    assert "test accuracy: " in said
    assert "truth: " in said
    exec(re.sub(r"iterations=\d+", 'iterations=2, accelerator="cpu", quiet=True', fit), names)
    assert names["fitted"].predict(names["pictures"][:3].reshape(-1, 8, 8, 1)).shape == (3,)
    assert ctm.Run.open("runs/mine").experiment.task.learned == ctm.Run.open("runs/arrays").experiment.task.learned
