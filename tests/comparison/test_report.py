import json

import numpy as np
import pytest
import torch

import ctm
from ctm.baselines import feed_forward, lstm
from ctm.comparison import report
from ctm.comparison.comparison import Comparison, compare
from ctm.comparison.report import comparison_picture, comparison_report, model_figures
from training.experiments import parity


def lines(offset):
    """The evaluations of a run: test scores, and a training loss."""
    for iteration in (0, 10, 20):
        yield {"iteration": iteration, "loss": 5.0, "accuracy": 0.1}  # a batch, which is not drawn
        for split in ("train", "validation"):
            loss = {"train": 1.0, "validation": 9.0}[split] + offset - iteration / 100
            yield {"iteration": iteration, "split": split, "loss": loss, "accuracy": 0.5 + offset, "solved": 0.2}


def test_means_and_spreads_are_drawn():
    figure = comparison_picture({"one": [list(lines(0.0)), list(lines(0.2))], "two": [list(lines(0.4))]}, "solved")
    loss, accuracy, solved = figure.axes
    assert [axes.get_title("left") for axes in figure.axes] == [
        "Training loss",
        "Validation accuracy",
        "Validation solved",
    ]
    one, two = loss.lines
    assert list(one.get_xdata()) == [0, 10, 20]
    np.testing.assert_allclose(one.get_ydata(), [1.1, 1.0, 0.9])
    np.testing.assert_allclose(two.get_ydata(), [1.4, 1.3, 1.2])
    (band,) = accuracy.collections  # a single seed has none
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(0.5)  # the lowest run, since the deviation, 0.141, is below it
    assert heights.max() == pytest.approx(0.6 + 0.2 / 2**0.5)
    np.testing.assert_allclose(solved.lines[0].get_ydata(), 0.2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_a_headline_is_not_drawn_twice_and_nothing_is_no_mistake():
    assert len(comparison_picture({"one": [list(lines(0.0))]}).axes) == 2
    assert not comparison_picture({"one": []}).legends


def test_only_where_all_seeds_were_evaluated():
    short = [line for line in lines(0.0) if line["iteration"] < 20]
    figure = comparison_picture({"one": [list(lines(0.0)), short]})
    assert list(figure.axes[0].lines[0].get_xdata()) == [0, 10]


def test_the_report_of_a_comparison(tmp_path):
    comparison = Comparison(tmp_path, {"one": parity(iterations=2)}, seeds=(0,))
    compare(comparison, quiet=True)
    paths = list(comparison_report(comparison))
    assert [path.name for path in paths] == ["results.json", "results.csv", "results.md", "comparison.png"]
    assert json.loads(paths[0].read_text())["models"]["one"]["runs"].keys() == {"0"}
    assert "| one |" in paths[2].read_text()
    assert paths[3].stat().st_size > 5000
    assert list(model_figures(comparison)) == []  # parity has nothing more to show


def test_the_report_of_a_sweep_has_scores_against_its_setting(tmp_path):
    base = parity(iterations=1)
    experiments = {f"p ticks={ticks}": base.replace(model=base.model.replace(ticks=ticks)) for ticks in (2, 3)}
    comparison = Comparison(tmp_path, experiments, seeds=(0,))
    assert len(list(comparison_report(comparison))) == 4  # nothing is finished yet
    compare(comparison, quiet=True)
    *_, path = comparison_report(comparison)
    assert path == tmp_path / "by-setting.png"
    assert path.stat().st_size > 5000


def test_mazes_show_how_far_each_model_finds_its_way(tmp_path):
    mazes = ctm.preset("mazes/quick")
    task = mazes.task.replace(
        train_mazes=8, validation_mazes=8, test_mazes=20, size=7, route_length=16, cache=str(tmp_path / "cache")
    )
    model = mazes.model.replace(ticks=2, readout=ctm.ClassReadout.Config(5, (16,)))
    plan = mazes.training.replace(iterations=1, batch_size=4)
    experiments = {
        name: ctm.Experiment(task.replace(loss=ctm.CurriculumLoss(second_tick=second)), model, plan)
        for name, second in (("one", "most_certain"), ("two", "last"))
    }
    comparison = Comparison(tmp_path / "runs", experiments, seeds=(0, 1))
    assert list(model_figures(comparison)) == []  # nothing is trained yet
    compare(comparison, quiet=True)
    (path,) = model_figures(comparison)
    assert path == tmp_path / "runs" / "lengths.png"
    assert path.stat().st_size > 5000
    built = task.build()
    lengths, scores = built.tested([run.load_model() for run in comparison.of("one").values()])
    assert lengths.shape == scores["whole_accuracy"].shape == (40,)
    assert torch.equal(lengths[:20], built.stores["test"].grids().lengths)


@pytest.fixture(name="digits", scope="module")
def _digits(tmp_path_factory):
    """A machine with two seeds, an LSTM, and a model that does not think, on handwritten digits."""
    known = ctm.preset("digits")
    plan = known.training.replace(iterations=1, accelerator="cpu", batch_size=4)
    machine = known.model.replace(ticks=3)
    models = {"machine": machine, "lstm": lstm(machine.replace(ticks=2)), "forward": feed_forward(machine)}
    experiments = {name: known.replace(model=model, training=plan) for name, model in models.items()}
    comparison = Comparison(tmp_path_factory.mktemp("runs"), experiments, seeds=(0, 1))
    compare(comparison, quiet=True)
    return comparison


DRAWN = (
    "calibration_side_by_side",
    "most_certain_side_by_side",
    "similarity_picture",
    "neuron_traces_side_by_side",
)


def noted(given, name, draw):
    """Draws, after a note of what."""
    return lambda models: draw(given.setdefault(name, models))


def test_models_that_name_what_they_see_are_drawn_side_by_side(digits, monkeypatch):
    given = {}
    for name in DRAWN:
        monkeypatch.setattr(report, name, noted(given, name, getattr(report, name)))
    paths = list(model_figures(digits))
    assert [path.name for path in paths] == [
        f"{name}.png" for name in ("calibration", "most-certain", "similarity", "neurons")
    ]
    assert all(path.parent == digits.folder and path.stat().st_size > 5000 for path in paths)
    calibrations = given["calibration_side_by_side"]
    assert list(calibrations) == ["machine", "lstm", "forward"]
    assert len(calibrations["machine"].confidence) == 2 * 359  # both seeds
    assert [seen.ticks for seen in given["most_certain_side_by_side"].values()] == [3, 2]
    inside = given["similarity_picture"]["machine"]
    assert [activity.shape for activity in inside] == [(128, 3, 128)] * 2
    assert given["neuron_traces_side_by_side"]["machine"] is inside[0]
    for name, seen in given["most_certain_side_by_side"].items():
        assert calibrations[name] is seen.calibration["most_certain"]
