import pytest
import torch

import ctm
from ctm.inference.samples import Sampling
from ctm.registry import preset
from ctm.tasks.images.known import DIGITS
from ctm.thoughts import Thoughts
from ctm.training import evaluate
from ctm.training.halting import (
    HaltingScores,
    answer,
    evaluate_until,
    halting_curve,
    score_ticks,
    score_ticks_of_batch,
)
from ctm.training.one_pass import one_pass
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
    sure = score_ticks(model, task, "test", 6).certainty  # (N, T)
    assert sure.shape == (20, 4)
    until = float(sure.amax(1).median())
    inputs, targets = next(iter(task.evaluation("test", 20)))
    stop = torch.where(sure >= until, torch.arange(4), 3).amin(1)  # (N,)
    with torch.no_grad():
        right = model(inputs).answers("most_certain")[torch.arange(20), stop].argmax(-1) == targets
    found = evaluate_until(model, task, "test", until, 6)
    assert found["accuracy"] == pytest.approx(float(right.float().mean()))
    assert found["ticks"] == pytest.approx(float((stop + 1).float().mean()))


@pytest.mark.parametrize("until", [None, 0.02])
def test_several_thoughts_are_scored_as_they_are_thought(learned, until):
    model, task = learned
    sampling = Sampling(3, noise=2.0, choose="surest", seed=5)
    inputs, targets = next(iter(task.evaluation("test", 20)))
    thought = ctm.think(model, inputs, 1.0 if until is None else until, samples=3, noise=2.0, seed=5)
    found = evaluate_until(model, task, "test", until, 6, sampling=sampling)
    right = (thought.answers.argmax(-1) == targets).float().mean()
    assert found["accuracy"] == pytest.approx(float(right))
    assert found["ticks"] == pytest.approx(float(thought.ticks.float().mean()))
    assert found["ticks"] > evaluate_until(model, task, "test", until, 6)["ticks"]


def test_every_tick_is_scored_as_the_most_certain_answer_so_far(learned):
    """Of a thought that is less and less certain, and right at its first tick alone."""
    _, task = learned
    targets = torch.ones(1, 5, dtype=torch.int64)
    logits = torch.tensor([[-9.0, 9.0], [8.0, -8.0], [7.0, -7.0]]).view(1, 3, 1, 2).expand(1, 3, 5, 2)
    certainty = torch.tensor([[0.9, 0.8, 0.7]])
    found = score_ticks_of_batch(task, Thoughts(logits, certainty, None), targets)
    assert found.scores.tolist() == [[1, 1, 1]]
    assert found.certainty.equal(certainty)


@pytest.fixture(name="asked")
def _asked():
    """A task whose input is shown part by part, for ticks that do not count."""
    experiment = preset("qamnist/quick")
    torch.manual_seed(0)
    return experiment.model.build().eval(), experiment.task.replace(
        images=DIGITS, evaluation_samples=5, digits=(1, 2), operations=(1, 1)
    ).build()


@pytest.mark.parametrize("name", ["learned", "asked"])
def test_one_pass_tells_what_stopping_at_each_certainty_gives(name, request):
    model, task = request.getfixturevalue(name)
    sure = score_ticks(model, task, "test", 6).certainty
    thresholds = [float(sure.amax(1).quantile(share)) for share in (0.1, 0.5, 0.9)] + [1e-6, 1.0]
    found = HaltingScores(task, thresholds)
    for thoughts, targets in one_pass(model, task, "test", 6):
        found.add(thoughts, targets)
    scores, ticks = found.means()
    for score, mean_ticks, until in zip(scores, ticks, (*thresholds, None), strict=True):
        known = evaluate_until(model, task, "test", until, 6)
        assert score == pytest.approx(known[task.primary_metric])
        assert mean_ticks == pytest.approx(known["ticks"])
    assert len(set(ticks)) > 3


def test_the_speed_is_that_of_some_samples(learned, monkeypatch):
    model, task = learned
    monkeypatch.setattr("ctm.training.halting.TIMED", 9)
    timed = []

    def timing(model, inputs, *others):
        timed.append(sum(map(len, inputs)))
        return answer(model, inputs, *others)

    monkeypatch.setattr("ctm.training.halting.answer", timing)
    found = HaltingScores(task, (1e-6, 1.0))
    for thoughts, targets in one_pass(model, task, "test", 6):
        found.add(thoughts, targets)
    curve = halting_curve(model, found, 6)
    assert set(timed) == {6, 9}  # the first batch once before, to warm up
    assert curve.score == "whole_accuracy"
    assert (curve.thresholds, curve.ticks, curve.full[1]) == ((1e-6, 1.0), [1.0, 4.0], 4.0)
    assert curve.scores[1] == curve.full[0]
    assert all(speed > 0 for speed in curve.speed)
