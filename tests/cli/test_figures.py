import sys
from pathlib import Path

import torch

from cli.commands import refused, said
from ctm.cli import main
from ctm.tasks.base import Task

OVER_TICKS = {"accuracy.png", "certainty.png", "when-certain.png", "halting.png"}
NEURONS = {"neurons.png", "similarity.png", "neuron-map.png", "neuron-map.gif", "neuron-map.mp4"}


def test_figures_are_drawn(run, capsys):
    paths = [Path(line) for line in said(capsys, "figures", run).splitlines()]
    names = {path.name for path in paths}
    assert names == {
        *("training.png", *OVER_TICKS, *NEURONS),
        *("learned.png", "trajectories.png", "positions.png", "thinking.gif", "thinking.mp4"),
    }  # no calibration, as there are several answers
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


def test_without_umap_a_line_says_what_is_left_out(run, capsys, monkeypatch):
    from ctm.analysis.neuron_map import neuron_map

    monkeypatch.setattr("ctm.training.report.neuron_map", neuron_map)
    monkeypatch.setitem(sys.modules, "umap", None)
    lines = said(capsys, "figures", run).splitlines()
    (left_out,) = [line for line in lines if not Path(line).is_file()]
    assert left_out == (
        "neuron-map.png is left out: a map of neurons needs umap-learn: pip install 'continuous-thought-machines[umap]'"
    )
    assert not any(Path(line).name.startswith("neuron-map") for line in lines if line != left_out)


def test_a_task_with_one_label_has_calibration_and_classes(tmp_path, capsys):
    run = tmp_path / "digits"
    options = ("--training.iterations", "1", "--model.ticks", "2", "--training.accelerator", "cpu")
    assert main(["train", "digits", "--run", str(run), *options, "--quiet"]) == 0
    names = {Path(line).name for line in said(capsys, "figures", run, "--quiet").splitlines()}
    assert {"calibration.png", "attention.png", *OVER_TICKS, *NEURONS} <= names
