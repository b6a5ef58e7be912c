import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.control.ppo_terms import ppo_terms


def drawn(seed, count):
    source = torch.Generator().manual_seed(seed)
    numbers = torch.randn(6, count, generator=source, dtype=torch.float64) / 2
    counts = torch.randint(3, (count,), generator=source) > 0
    counts[:2] = True
    return numbers, counts


@given(st.integers(3, 9), st.floats(0.05, 0.5), st.integers(0, 2**31))
def test_terms_are_those_of_the_definition(count, clip, seed):
    (now, entropy, values, acted, advantages, returns), counts = drawn(seed, count)
    terms = ppo_terms(now, entropy, values, acted, advantages, returns, counts, clip)
    rows = [row for row in range(count) if counts[row]]
    mean = sum(advantages[row].item() for row in rows) / len(rows)
    deviation = math.sqrt(sum((advantages[row].item() - mean) ** 2 for row in rows) / (len(rows) - 1))
    policy = value = clipped = 0.0
    for row in rows:
        ratio = math.exp(now[row].item() - acted[row].item())
        advantage = (advantages[row].item() - mean) / (deviation + 1e-8)
        policy -= min(advantage * ratio, advantage * max(min(ratio, 1 + clip), 1 - clip)) / len(rows)
        value += (values[row].item() - returns[row].item()) ** 2 / 2 / len(rows)
        clipped += (abs(ratio - 1) > clip) / len(rows)
    torch.testing.assert_close(terms.policy.item(), policy)
    torch.testing.assert_close(terms.value.item(), value)
    torch.testing.assert_close(terms.clipped.item(), clipped)
    torch.testing.assert_close(terms.entropy.item(), sum(entropy[row].item() for row in rows) / len(rows))


def test_rows_that_do_not_count_have_no_say():
    """Not even if what is in them is not finite."""
    (now, entropy, values, acted, advantages, returns), counts = drawn(1, 8)
    now.requires_grad_()
    values.requires_grad_()
    counts[3] = False
    acted[3] = -1e4
    terms = ppo_terms(now, entropy, values, acted, advantages, returns, counts, 0.1)
    (terms.policy + terms.value).backward()
    assert now.grad[3] == 0
    assert values.grad[3] == 0
    assert torch.isfinite(now.grad).all()
    assert now.grad.abs().sum() > 0


def test_a_probability_that_has_changed_too_much_has_no_gradient():
    now = torch.tensor([0.5, -0.5, 0.0, 0.0], requires_grad=True)
    zeros, advantages = torch.zeros(4), torch.tensor([2.0, -2.0, 1.0, -1.0])
    ppo_terms(now, zeros, zeros, zeros, advantages, zeros, torch.ones(4, dtype=torch.bool), 0.1).policy.backward()
    assert now.grad[:2].tolist() == [0, 0]  # gained too much already, and lost too much already
    assert (now.grad[2:] != 0).all()
