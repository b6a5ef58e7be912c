import pytest
import torch

from ctm.training import evaluate
from training.experiments import parity


@pytest.fixture
def learned():
    experiment = parity(dropout=0.5)
    return experiment.model.build(), experiment.task.build()


def test_scores_are_means_over_samples_whatever_the_batches(learned):
    model, task = learned
    whole, parts = (evaluate(model, task, "test", size) for size in (20, 7))
    assert whole.keys() == parts.keys() >= {"loss", "accuracy", "accuracy_by_tick", "certainty_by_tick"}
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value, abs=1e-6)
    assert len(whole["accuracy_by_tick"]) == 4


def test_scores_are_those_of_the_model(learned):
    model, task = learned
    (batch,) = task.evaluation("test", 20)
    with torch.no_grad():
        thoughts = model.eval()(batch.inputs)
    scores = evaluate(model, task, "test")
    assert scores["loss"] == pytest.approx(task.loss(thoughts, batch.targets).item())
    right = (thoughts.at("most_certain").argmax(-1) == batch.targets).float().mean()
    assert scores["accuracy"] == pytest.approx(right.item())


@pytest.mark.parametrize("training", [True, False])
def test_the_model_and_random_numbers_are_left_as_they_were(learned, training):
    model, task = learned
    model.train(training)
    before = torch.get_rng_state()
    evaluate(model, task, "train")
    assert model.training is training
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_splits_differ(learned):
    assert evaluate(*learned, "train") != evaluate(*learned, "test")
