import warnings

import pytest

from ctm.analysis.curves import training_curves

TRAINING = [{"iteration": i, "loss": 2.0 / (i + 1), "certainty": 0.1, "accuracy": i / 100} for i in range(90)]
EVALUATIONS = [
    {"iteration": i, "split": split, "loss": 1.0, "accuracy": 0.5, "accuracy_by_tick": [0.4, 0.5]}
    for i in (0, 50, 100)
    for split in ("train", "validation")
]


def labels(axes):
    return [line.get_label() for line in axes.lines if not line.get_label().startswith("_")]


def test_batches_and_both_splits_are_drawn():
    loss, accuracy = training_curves(TRAINING + EVALUATIONS).axes
    assert labels(loss) == labels(accuracy) == ["batches", "train", "validation"]
    assert loss.get_yscale() == "log"
    assert loss.lines[-1].get_xdata().tolist() == [0, 50, 100]


def test_whole_accuracy_is_drawn_where_there_is_one():
    lines = [line | {"whole_accuracy": 0.1} for line in EVALUATIONS]
    _, accuracy = training_curves(lines).axes
    assert labels(accuracy)[2:] == ["train, all positions", "validation, all positions"]


@pytest.mark.parametrize("metrics", [[], TRAINING[:1], EVALUATIONS[:1]], ids=["none", "batch", "evaluation"])
def test_little_is_enough(metrics):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training_curves(metrics).canvas.draw()
