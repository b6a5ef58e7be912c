from pathlib import Path

import torch

from cli.commands import refused, said
from ctm.tasks.base import Task


def test_figures_are_drawn(run, capsys):
    paths = [Path(line) for line in said(capsys, "figures", run).splitlines()]
    names = {path.name for path in paths}
    assert {"training.png", "accuracy.png", "certainty.png", "neurons.png", "trajectories.png"} <= names
    assert {"thinking.gif", "thinking.mp4"} <= names
    assert all(path.parent == run / "figures" and path.stat().st_size > 1000 for path in paths)


def test_metrics_that_lack_lines_are_not_drawn(run, capsys):
    path = run / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert f"{path}: 6 lines up to the checkpoint of iteration 3, expected 7" in refused(capsys, "figures", run)
    assert not (run / "figures").exists()


def test_a_task_that_draws_nothing_has_the_other_figures(run, capsys, monkeypatch):
    monkeypatch.setattr("ctm.tasks.parity.Parity.animate", Task.animate)
    names = {Path(line).name for line in said(capsys, "figures", run).splitlines()}
    assert "training.png" in names
    assert not {"thinking.gif", "thinking.mp4"} & names


def test_figures_of_another_precision(run, capsys, monkeypatch):
    computed = []

    def figures(task, thoughts, samples):
        computed.append((torch.is_autocast_enabled("cpu"), thoughts.logits.dtype))
        return iter(())

    monkeypatch.setattr("ctm.tasks.parity.Parity.figures", figures)
    monkeypatch.setattr("ctm.tasks.parity.Parity.animate", Task.animate)
    said(capsys, "figures", run, "--precision", "bf16")
    assert computed == [(True, torch.float32)]
