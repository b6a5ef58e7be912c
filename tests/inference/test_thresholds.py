import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ctm
from ctm.inference.thresholds import GRID, at_stop, risk_of_stopping, stopping_tick


@given(
    certainty=st.integers(1, 6).flatmap(
        lambda ticks: st.lists(st.lists(st.floats(0, 1, width=32), min_size=ticks, max_size=ticks), min_size=1)
    ),
    budget=st.floats(1, 8),
)
def test_thresholds_spend_the_budget_and_no_more(certainty, budget):
    certainty = torch.tensor(certainty)

    def mean_ticks(until):
        sure = certainty >= until
        sure[:, -1] = True
        return float((sure.int().argmax(1) + 1).double().mean())

    threshold = ctm.threshold_for_budget(certainty, budget)
    assert 0 < threshold <= 1
    if float(certainty.amin()) > 0:
        assert mean_ticks(threshold) <= budget + 1e-6
    if threshold < 1:
        above = float(torch.nextafter(torch.tensor(threshold), torch.tensor(2.0)))
        assert mean_ticks(above) > budget - 1e-6


def test_a_budget_of_no_tick_is_refused():
    with pytest.raises(ValueError, match=r"mean_ticks = 0\.5: expected at least 1"):
        ctm.threshold_for_budget(torch.rand(3, 4), 0.5)


def thoughts(samples, generator):
    """Certainties and scores of a model that is right at its first tick as often as it is certain, and later always."""
    certainty = torch.rand(samples, 2, generator=generator)
    right = torch.rand(samples, generator=generator) < certainty[:, 0]
    return certainty, torch.stack([right.float(), torch.ones(samples)], dim=1)


def true_error(until):
    """Of such a model: a first answer that is certain enough is wrong in (1 - certainty) of all cases."""
    return (1 - until) ** 2 / 2


def test_the_bound_is_kept_as_often_as_promised(monkeypatch):
    """Over many draws of the samples; the threshold with the bound in these samples alone breaks it far more often."""
    grid = [step / 100 for step in range(100, 0, -2)]
    monkeypatch.setattr("ctm.inference.thresholds.GRID", grid)
    generator, broken, tempting, draws = torch.Generator().manual_seed(0), 0, 0, 100
    for _ in range(draws):
        certainty, scores = thoughts(300, generator)
        until = ctm.threshold_for_error(certainty, scores, error=0.05, confidence=0.9)
        broken += true_error(until) > 0.05
        tempting += true_error(next(u for u in grid[::-1] if (1 - at_stop(scores, certainty, u)).mean() <= 0.05)) > 0.05
    assert 1 <= broken <= 0.1 * draws + 3 * 3  # standard deviations
    assert tempting > 30


def test_of_certainties_that_keep_the_bound_the_lowest_is_taken():
    certainty = torch.tensor([[0.3, 0.9]] * 50 + [[0.6, 0.9]] * 50)
    scores = torch.tensor([[0.0, 1.0]] * 50 + [[1.0, 1.0]] * 50)  # who is certain of 0.6 at once is right at once
    assert ctm.threshold_for_error(certainty, scores, error=0.1) == 0.301
    assert stopping_tick(certainty, 0.301).tolist() == [1] * 50 + [0] * 50


def test_none_below_one_that_fails_is_taken():
    """Though it would keep the bound on these samples: among many that are tried, some do so by chance."""
    certainty, scores = torch.tensor([[0.3, 0.6, 0.9]] * 100), torch.tensor([[1.0, 0.0, 1.0]] * 100)
    assert ctm.threshold_for_error(certainty, scores, error=0.1) == 0.601


def test_what_is_lost_is_counted_against_thinking_to_the_end():
    certainty = torch.tensor([[0.9, 0.95]] * 100)
    scores = torch.tensor([[0.0, 0.0]] * 60 + [[1.0, 1.0]] * 40)  # mostly wrong, but stopping makes no difference
    assert ctm.threshold_for_error(certainty, scores, lost=0.05) == GRID[-1]
    with pytest.raises(
        ctm.ConfigError,
        match=re.escape("error = 0.05: waiting for a certainty of 1, or to the end, has an error of 0.6000"),
    ):
        ctm.threshold_for_error(certainty, scores, error=0.05)


def test_what_stopping_gains_is_not_set_off_against_what_it_loses():
    certainty = torch.tensor([[0.5, 0.9]] * 200)
    scores = torch.tensor([[1.0, 0.0]] * 100 + [[0.0, 1.0]] * 100)
    assert ctm.threshold_for_error(certainty, scores, lost=0.1) == 0.501
    assert risk_of_stopping(certainty, scores, 0.4, lost=True, confidence=0.9)[0] == 0.5


@pytest.mark.parametrize(("error", "confidence", "fewest"), [(0.01, 0.95, 299), (0.05, 0.9, 45)])
def test_how_many_samples_it_takes(error, confidence, fewest):
    """That many without a mistake show it, and one less does not."""
    certainty, scores = torch.rand(fewest, 3), torch.ones(fewest, 3)
    assert ctm.threshold_for_error(certainty, scores, error=error, confidence=confidence) == GRID[-1]
    with pytest.raises(ctm.ConfigError, match=f"{fewest - 1} samples: expected at least {fewest} to show"):
        ctm.threshold_for_error(certainty[1:], scores[1:], error=error, confidence=confidence)


def test_of_few_samples_the_error_is_at_most():
    certainty, scores = torch.ones(30, 1), torch.ones(30, 1)
    mean, most = risk_of_stopping(certainty, scores, 0.5, lost=False, confidence=0.95)
    assert (mean, most) == (0, pytest.approx(1 - 0.05 ** (1 / 30)))
    assert math.isclose(risk_of_stopping(certainty, 0 * scores, 0.5, lost=False, confidence=0.95)[1], 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "expected one of error and lost"),
        ({"error": 0.1, "lost": 0.1}, "expected one of error and lost"),
        ({"error": 0.0}, "error = 0.0: expected a number above 0 and below 1"),
        ({"lost": 1.0}, "lost = 1.0: expected a number above 0 and below 1"),
        ({"lost": float("nan")}, "lost = nan: expected a number above 0 and below 1"),
        ({"error": 0.1, "confidence": 1.0}, "confidence = 1.0: expected a number above 0 and below 1"),
    ],
)
def test_wrong_bounds(wrong, message):
    with pytest.raises(ValueError, match=message):
        ctm.threshold_for_error(torch.rand(50, 3), torch.ones(50, 3), **wrong)


def test_scores_are_from_0_to_1():
    with pytest.raises(ctm.ConfigError, match=r"scores from 1 to 2: expected 0 \(wrong\) to 1 \(right\)"):
        ctm.threshold_for_error(torch.rand(3, 2), torch.tensor([[1.0, 2.0]] * 3), error=0.5)
