import math

import pytest
import torch

from ctm import ActorCritic
from ctm.control import policy, sample
from ctm.randomness import generator

CHOICE, VECTOR = ActorCritic.Config(3), ActorCritic.Config(2, continuous=True)


def test_a_choice_among_actions():
    probability = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25]])
    found = policy(CHOICE, probability.log() + 7)
    torch.testing.assert_close(found.log_prob(torch.tensor([1, 0])), torch.tensor([0.6, 0.5]).log())
    torch.testing.assert_close(found.entropy(), -(probability * probability.log()).sum(-1))
    assert found.mode.tolist() == [1, 0]


def test_a_vector_of_numbers():
    numbers = torch.tensor([[1.0, -2.0, math.log(0.5), math.log(2.0)]])
    found, action = policy(VECTOR, numbers), torch.tensor([[1.5, 0.0]])
    density = -0.5 * (1 + 1) - math.log(0.5) - math.log(2.0) - math.log(2 * math.pi)
    torch.testing.assert_close(found.log_prob(action), torch.tensor([density]))
    torch.testing.assert_close(found.entropy(), torch.tensor([1 + math.log(2 * math.pi)]))
    assert found.mode.tolist() == [[1.0, -2.0]]


def test_actions_are_drawn_as_often_as_they_are_likely():
    probability = torch.tensor([0.1, 0.6, 0.3])
    actions = sample(policy(CHOICE, probability.log().expand(20_000, -1)), generator(0))
    assert actions.shape == (20_000,)
    torch.testing.assert_close(actions.bincount() / 20_000, probability, atol=0.02, rtol=0)
    assert actions.dtype == torch.int64


def test_vectors_are_drawn_with_their_means_and_deviations():
    numbers = torch.tensor([1.0, -2.0, math.log(0.5), math.log(2.0)]).expand(20_000, -1)
    actions = sample(policy(VECTOR, numbers), generator(0))
    torch.testing.assert_close(actions.mean(0), torch.tensor([1.0, -2.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(actions.std(0), torch.tensor([0.5, 2.0]), atol=0.05, rtol=0)


@pytest.mark.parametrize("config", [CHOICE, VECTOR])
def test_draws_are_those_of_the_generator(config):
    numbers = torch.randn(50, config.shape[0] - 1, requires_grad=True)
    first, again, other = (sample(policy(config, numbers), generator(key)) for key in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not first.requires_grad


def test_what_is_impossible_is_not_drawn():
    numbers = torch.tensor([0.0, -torch.inf, 0.0]).expand(1000, -1)
    assert set(sample(policy(CHOICE, numbers), generator(0)).tolist()) == {0, 2}


@pytest.mark.parametrize("config", [CHOICE, VECTOR])
def test_half_precision_becomes_single(config):
    numbers = torch.zeros(2, config.shape[0] - 1, dtype=torch.bfloat16)
    found = policy(config, numbers)
    assert found.log_prob(found.mode).dtype == found.entropy().dtype == torch.float32


def test_other_numbers_are_refused():
    with pytest.raises(ValueError, match=r"policy of shape \(2, 4\): expected \(…, 3\)"):
        policy(CHOICE, torch.zeros(2, 4))
