import numpy as np
import pytest

import ctm
from ctm.comparison.by_setting import by_setting_picture, scores_by_setting
from training.experiments import parity


def experiment(ticks=4, learning_rate=1e-2, **model):
    made = parity()
    optimizer = made.training.optimizer.replace(learning_rate=learning_rate)
    model = made.model.replace(ticks=ticks, **model)
    return made.replace(model=model, training=made.training.replace(optimizer=optimizer))


def test_a_line_is_of_models_that_differ_in_one_setting():
    experiments = {
        f"small learning_rate={rate} ticks={ticks}": experiment(ticks, rate) for rate in (0.1, 0.2) for ticks in (3, 9)
    }
    experiments["other"] = experiment(3, 0.1, action=ctm.Snapshot.Config())
    scores = {name: [float(place), place + 0.5] for place, name in enumerate(experiments)}
    assert scores_by_setting(experiments, scores) == {
        "model.ticks": {
            "small learning_rate=0.1": {3: [0, 0.5], 9: [1, 1.5]},
            "small learning_rate=0.2": {3: [2, 2.5], 9: [3, 3.5]},
        },
        "training.optimizer.learning_rate": {
            "small ticks=3": {0.1: [0, 0.5], 0.2: [2, 2.5]},
            "small ticks=9": {0.1: [1, 1.5], 0.2: [3, 3.5]},
        },
    }


@pytest.mark.parametrize(
    "other",
    [
        experiment(9, 0.2),  # two settings at once
        experiment(action=ctm.Snapshot.Config()),  # no number
        experiment(9),  # not finished
        experiment(),  # the same
    ],
)
def test_nothing_else_is_a_line(other):
    assert scores_by_setting({"one": experiment(), "other": other}, {"one": [0.1], "other": []}) == {}
    if other != experiment(9):
        assert scores_by_setting({"one": experiment(), "other": other}, {"one": [0.1], "other": [0.2]}) == {}


def test_presets_of_several_widths_are_a_line():
    widths = (512, 256, 1024)
    experiments = {f"cifar100/width-{width}": ctm.preset(f"cifar100/width-{width}") for width in widths}
    scores = {name: [float(place)] for place, name in enumerate(experiments)}
    lines = {"cifar100/width-512": {512: [0], 256: [1], 1024: [2]}}
    assert scores_by_setting(experiments, scores) == {"model.core.neurons": lines}


def test_what_is_learned_of_the_data_does_not_count():
    """Sides of the pictures, which follow from a setting."""
    experiments = {f"digits size={size}": ctm.preset("digits") for size in (8, 6)}
    experiments = {
        name: made.replace(task=made.task.replace(size=int(name[-1]))).fitted() for name, made in experiments.items()
    }
    assert list(scores_by_setting(experiments, {name: [0.5] for name in experiments})) == ["task.size"]


def test_means_and_seeds_are_drawn():
    lines = {
        "model.ticks": {"one": {10.0: [0.5, 0.7], 5.0: [0.4, 0.4]}, "two": {5.0: [0.3], 10.0: [0.2]}},
        "rate": {"one": {0.001: [0.1], 0.01: [0.3], 0.1: [0.2]}},
    }
    figure = by_setting_picture(lines, "whole_accuracy")
    ticks, rate = figure.axes
    assert [axes.get_xlabel() for axes in figure.axes] == ["model.ticks", "rate"]
    assert ticks.get_title("left") == "Test whole accuracy"
    np.testing.assert_allclose(ticks.lines[0].get_xydata(), [[5, 0.4], [10, 0.6]])
    band, points, *_ = ticks.collections
    heights = band.get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [0.4, 0.6 + 0.02**0.5])
    seeds = points.get_offsets()
    np.testing.assert_allclose(sorted(map(tuple, seeds)), [(5, 0.4), (5, 0.4), (10, 0.5), (10, 0.7)])
    assert [text.get_text() for text in ticks.get_legend().get_texts()] == ["one", "two"]
    assert (ticks.get_xscale(), rate.get_xscale()) == ("linear", "log")
    assert [label.get_text() for label in rate.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert rate.get_legend() is None
