import json
import re
from pathlib import Path

import pytest
from PIL import Image

import ctm
from cli.commands import refused, said
from ctm.baselines import feed_forward
from ctm.tasks.base import Task
from ctm.training import Run, train


def test_thinking_about_a_test_sample(run, capsys):
    lines = dict(line.split(": ", 1) for line in said(capsys, "think", run, "--index", 3).splitlines())
    certain = next(name for name in lines if name.startswith("most certain at tick"))
    assert re.fullmatch(r"[eo]{4} \(e even, o odd\)", lines["answer"])
    opened = Run.open(run)
    task = opened.experiment.task.build()
    inputs, targets = task.sample(3)
    thoughts = opened.load_model()(inputs)
    assert lines["truth"] == task.format_answer(targets[0])
    assert lines["answer"] == task.format_answer(thoughts.at()[0].argmax(-1))
    tick = thoughts.certainty[0].argmax().item()
    assert certain == f"most certain at tick {tick + 1} of 5"
    assert lines[certain] == f"{thoughts.certainty[0, tick]:.3f}"
    assert lines["animation"] == str(run / "figures" / "think-3.gif")
    with Image.open(lines["animation"]) as animation:
        assert animation.n_frames >= 5


def test_thinking_about_a_file(run, tmp_path, capsys):
    path, output = tmp_path / "signs.txt", tmp_path / "new" / "mine.mp4"
    path.write_text("+-\n-+\n")
    out = said(capsys, "think", run, "--input", path, "--output", output, "--ticks", 7)
    assert "truth" not in out
    assert re.search(r"most certain at tick \d of 7", out)
    assert output.stat().st_size > 1000
    assert "ftyp" in str(output.read_bytes()[:12])
    assert "think-signs.gif" in said(capsys, "think", run, "--input", path)


def test_thinking_about_what_was_typed(run, tmp_path, capsys):
    path = tmp_path / "signs.txt"
    path.write_text("-+-+")
    from_file, typed = (
        said(capsys, "think", run, *given).splitlines() for given in (("--input", path), ("--text", "-+ -+"))
    )
    assert typed[:-1] == from_file[:-1]
    assert typed[-1] == f"animation: {run / 'figures' / 'think-text.gif'}"


def test_models_that_see_all_at_once_have_answers_but_no_pictures_of_looking(tmp_path, capsys):
    digits = ctm.preset("digits")
    training = digits.training.replace(iterations=1, accelerator="cpu")
    run = Run.create(tmp_path / "run", digits.replace(model=feed_forward(digits.model), training=training))
    train(run, quiet=True)
    lines = said(capsys, "think", run.path, "--index", "1").splitlines()
    assert [line.split(":")[0] for line in lines] == ["answer", "truth", "most certain at tick 1 of 1"]
    assert "this model does not attend" in refused(capsys, "think", run.path, "--output", "x.gif")
    assert [Path(line).name for line in said(capsys, "figures", run.path).splitlines()] == ["training.png"]
    full, until = (json.loads(said(capsys, "evaluate", run.path, "--json", *more)) for more in ((), ("--until", "0.9")))
    assert until["stopped"]["accuracy"] == pytest.approx(full["accuracy"])


def test_a_task_that_draws_nothing_only_answers(run, capsys, monkeypatch):
    monkeypatch.setattr("ctm.tasks.parity.Parity.animate", Task.animate)
    lines = said(capsys, "think", run, "--index", 3).splitlines()
    assert [line.split(":")[0].split(" at ")[0] for line in lines] == ["answer", "truth", "most certain"]
    error = refused(capsys, "think", run, "--output", "x.gif")
    assert error == "ctm: output = 'x.gif': the task 'parity' draws no animation"


def test_thinking_in_another_precision(run, capsys, monkeypatch):
    """In bf16, the certainty is another one, but nearly the same."""
    monkeypatch.setattr("ctm.tasks.parity.Parity.animate", Task.animate)
    monkeypatch.setattr("ctm.tasks.parity.Parity.comment", lambda _, thoughts, __: str(thoughts.certainty.max().item()))
    full, half = (
        float(said(capsys, "think", run, "--precision", precision).splitlines()[-1]) for precision in ("fp32", "bf16")
    )
    assert full != half
    assert full == pytest.approx(half, abs=0.01)
