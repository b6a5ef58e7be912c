import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

import ctm
from ctm import ActorCritic, ConfigError
from machines import perturbed


def perceptron(layers, x):
    """Written out, with the names that the authors' layers have."""
    for place in (0, 2):
        x = (x @ layers[place].weight.T + layers[place].bias).clamp(min=0)
    return x @ layers[4].weight.T + layers[4].bias


@given(
    actions=st.integers(2, 5),
    continuous=st.booleans(),
    leading=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    hidden=st.integers(1, 8),
)
def test_a_policy_and_a_value(actions, continuous, leading, hidden):
    config = ActorCritic.Config(actions, continuous, hidden)
    readout = perturbed(config.build(7)).double()
    x = torch.randn(*leading, 7, dtype=torch.float64)
    logits = readout(x)
    assert logits.shape == (*leading, *config.shape)
    policy, value = readout.split(logits)
    torch.testing.assert_close(value, perceptron(readout.critic, x).squeeze(-1))
    torch.testing.assert_close(policy[..., :actions], perceptron(readout.actor, x))
    if continuous:
        torch.testing.assert_close(policy[..., actions:], readout.log_deviation.expand(*leading, actions))
    else:
        assert policy.shape[-1] == actions
    sure = readout.certainty(logits)
    assert sure.shape == tuple(leading)
    assert ((sure > 0) & (sure <= 1)).all()


def test_certainty_of_a_choice_is_that_of_its_actions():
    readout = ActorCritic.Config(3).build(4)
    policy, values = torch.randn(5, 3), torch.randn(5, 1)
    probability = policy.softmax(-1)
    expected = 1 + (probability * probability.log()).sum(-1) / math.log(3)
    torch.testing.assert_close(readout.certainty(torch.cat([policy, 100 * values], dim=-1)), expected)


def test_certainty_of_a_vector_is_that_of_its_deviations():
    readout = ActorCritic.Config(2, continuous=True).build(4)
    deviation = torch.tensor([[1.0, 1.0], [0.5, 3.0], [1e-9, 1e-9]])
    logits = torch.cat([torch.randn(3, 2), deviation.log(), torch.randn(3, 1)], dim=-1)
    torch.testing.assert_close(readout.certainty(logits), torch.tensor([0.5, (1 / 1.5 + 1 / 4) / 2, 1.0]))
    assert readout.certainty(logits.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("name", ["actor", "critic"])
def test_weights_begin_orthogonal_and_biases_at_zero(name):
    first, _, second, _, last = getattr(ActorCritic.Config(3, hidden=16).build(9), name)
    for linear in (first, second, last):
        rows = linear.weight if linear.out_features <= linear.in_features else linear.weight.T
        torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), atol=1e-5, rtol=0)
        assert not linear.bias.any()


def test_deviations_begin_at_one_and_are_learned():
    readout = ActorCritic.Config(2, continuous=True).build(4)
    assert readout.log_deviation.tolist() == [0, 0]
    F.softplus(readout(torch.randn(5, 4))).sum().backward()
    torch.testing.assert_close(readout.log_deviation.grad, torch.full((2,), 2.5))


def test_sizes_and_wrong_configurations():
    assert ActorCritic.Config(3).shape == (4,)
    assert ActorCritic.Config(1, continuous=True).shape == (3,)
    with pytest.raises(ConfigError, match="actions = 1: expected at least 2"):
        ActorCritic.Config(1)
    with pytest.raises(ConfigError, match="actions = 0: expected at least 1"):
        ActorCritic.Config(0, continuous=True)
    with pytest.raises(ConfigError, match="hidden = 0: expected at least 1"):
        ActorCritic.Config(2, hidden=0)
    config = ActorCritic.Config(2, True, 8)
    assert ctm.ReadoutConfig.from_dict(config.to_dict()) == config
