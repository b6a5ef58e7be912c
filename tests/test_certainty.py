import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.certainty import certainty
from ctm.kernels.precision import at_least_float32


@pytest.mark.parametrize("classes", [2, 7, 1000])
@pytest.mark.parametrize("level", [0.0, -30.0, 5.0])
def test_no_idea_is_zero(classes, level):
    assert certainty(torch.full((3, classes), level)) == pytest.approx(torch.zeros(3), abs=1e-5)


@pytest.mark.parametrize("classes", [2, 7, 1000])
def test_no_doubt_is_one(classes):
    logits = torch.full((3, classes), -1e4)
    logits[:, 1] = 1e4
    torch.testing.assert_close(certainty(logits), torch.ones(3), atol=0, rtol=0)


def test_a_choice_among_half_of_the_classes():
    """Entropy log 4 of at most log 16 leaves a certainty of one half."""
    logits = torch.full((16,), -1e4)
    logits[:4] = 3.0
    torch.testing.assert_close(certainty(logits), torch.tensor(0.5))


def naive(logits, classes):
    """1 - H / log C of one list of logits."""
    total = sum(math.exp(logit) for logit in logits)
    probabilities = [math.exp(logit) / total for logit in logits]
    return 1 + sum(p * math.log(p) for p in probabilities) / math.log(classes)


@given(
    batch=st.lists(st.integers(1, 3), max_size=2),
    answer=st.lists(st.integers(1, 3), max_size=2),
    classes=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_certainty_is_the_mean_over_positions(batch, answer, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(*batch, *answer, classes, generator=generator, dtype=torch.float64)
    sure = certainty(logits, positions=len(answer))
    assert sure.shape == tuple(batch)
    for mine, rows in zip(sure.flatten(), logits.view(math.prod(batch), -1, classes), strict=True):
        expected = [naive(row, classes) for row in rows.tolist()]
        assert float(mine) == pytest.approx(sum(expected) / len(expected), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_full(dtype):
    logits = torch.randn(5, 10).to(dtype)
    assert certainty(logits).dtype == torch.float32
    assert torch.equal(certainty(logits), certainty(logits.float()))


def test_double_precision_stays():
    assert certainty(torch.randn(3, 4, dtype=torch.float64)).dtype == torch.float64


def test_extreme_logits_stay_finite_with_their_gradient():
    logits = torch.tensor([[1e30, -1e30, 0.0]], requires_grad=True)
    certainty(logits).sum().backward()
    assert torch.isfinite(logits.grad).all()


def test_at_least_float32():
    assert at_least_float32(torch.ones(1, dtype=torch.bfloat16)).dtype == torch.float32
    assert at_least_float32(torch.ones(1, dtype=torch.float64)).dtype == torch.float64
    x = torch.ones(1)
    assert at_least_float32(x) is x
