import pytest
import torch

from ctm.training import evaluate
from ctm.training.halting import certainties, evaluate_until
from training.experiments import parity


@pytest.fixture(name="learned")
def _learned():
    experiment = parity()
    torch.manual_seed(0)
    return experiment.model.build().eval(), experiment.task.build()


@pytest.mark.parametrize("until", [None, 1.0])
def test_thinking_to_the_end_scores_as_evaluation_does(learned, until):
    found, known = evaluate_until(*learned, "test", until, 7), evaluate(*learned, "test", 7)
    for name in ("accuracy", "whole_accuracy"):
        assert found[name] == pytest.approx(known[name])
    assert found["ticks"] == 4
    assert found["samples_per_second"] > 0


def test_targets_stay_with_their_samples(learned):
    """Stopped at very different ticks, which mixes up the order, a sample is scored as when it stops alone."""
    model, task = learned
    sure = certainties(model, task, "test", 6)  # (N, T)
    assert sure.shape == (20, 4)
    until = float(sure.amax(1).median())
    inputs, targets = next(iter(task.evaluation("test", 20)))
    stop = torch.where(sure >= until, torch.arange(4), 3).amin(1)  # (N,)
    with torch.no_grad():
        right = model(inputs).answers("most_certain")[torch.arange(20), stop].argmax(-1) == targets
    found = evaluate_until(model, task, "test", until, 6)
    assert found["accuracy"] == pytest.approx(float(right.float().mean()))
    assert found["ticks"] == pytest.approx(float((stop + 1).float().mean()))
