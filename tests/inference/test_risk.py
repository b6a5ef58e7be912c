import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.inference.risk import fewest_samples, p_value, upper_bound


def exact(samples, successes, probability):
    return sum(
        math.comb(samples, k) * probability**k * (1 - probability) ** (samples - k) for k in range(successes + 1)
    )


@given(st.integers(1, 60), st.data(), st.floats(0.01, 0.99))
def test_mistakes_are_binomial(samples, data, bound):
    wrong = data.draw(st.integers(0, samples))
    losses = torch.tensor([1.0] * wrong + [0.0] * (samples - wrong))
    assert p_value(losses, bound, binary=True) == pytest.approx(exact(samples, wrong, bound), rel=1e-6)


def test_many_samples():
    """4 mistakes in 1,000 show that they are no more than one in a hundred, 5 do not."""
    losses = torch.zeros(1000)
    losses[:4] = 1
    assert p_value(losses, 0.01, binary=True) == pytest.approx(0.0287, abs=1e-4)
    losses[4] = 1
    assert p_value(losses, 0.01, binary=True) == pytest.approx(0.0661, abs=1e-4)
    assert p_value(torch.zeros(100_000), 1e-4, binary=True) == pytest.approx(math.exp(-10), rel=1e-3)


def test_losses_between_0_and_1():
    """Hoeffding's inequality where it is the better one, and Bentkus's where that is."""
    losses = torch.full((100,), 0.25)
    hoeffding = math.exp(-100 * (0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)))
    assert p_value(losses, 0.5, binary=False) == pytest.approx(min(hoeffding, math.e * exact(100, 25, 0.5)))
    assert p_value(losses, 0.5, binary=False) < hoeffding
    assert p_value(torch.zeros(100), 0.1, binary=False) == pytest.approx(0.9**100)
    assert p_value(losses, 0.2, binary=False) == 1


@pytest.mark.parametrize("binary", [True, False])
def test_p_values_are_no_smaller_than_uniform_ones(binary):
    """Where the expectation is the bound itself, they are below 0.1 in a tenth of all draws at most, and by chance."""
    generator, found = torch.Generator().manual_seed(0), 0
    for _ in range(400):
        losses = torch.rand(60, generator=generator)  # of mean 0.3 when scaled
        losses = (losses < 0.3).float() if binary else 0.6 * losses
        found += p_value(losses, 0.3, binary) <= 0.1
    assert found <= 40 + 3 * 6  # standard deviations
    assert found >= 10 or not binary


def test_the_upper_bound_is_where_the_test_decides():
    losses = torch.tensor([1.0] * 3 + [0.0] * 97)
    most = upper_bound(losses, 0.95, binary=True)
    assert p_value(losses, most, binary=True) == pytest.approx(0.05)
    assert upper_bound(losses, 0.99, binary=True) > most
    assert most < upper_bound(losses, 0.95, binary=False) < 0.2


def test_fewest_samples():
    assert p_value(torch.zeros(fewest_samples(0.01, 0.95)), 0.01, True) <= 0.05
    assert p_value(torch.zeros(fewest_samples(0.01, 0.95) - 1), 0.01, True) > 0.05
