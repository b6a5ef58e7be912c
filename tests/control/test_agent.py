import pytest
import torch
from torch.utils import _pytree as pytree

import ctm
from ctm import Agent, ConfigError
from ctm.control import control_lstm, control_machine
from ctm.inputs import tree_map
from machines import perturbed

VECTORS = ctm.GatedPerceptron.Config(4, width=5)
SIZES = {"ticks": 2, "memory": 3, "neurons": 8, "hidden": 2, "listening": 3}
CONFIGS = {
    "vectors": control_machine(VECTORS, 3, **SIZES),
    "continuous": control_machine(VECTORS, 2, continuous=True, **SIZES),
    "lstm": control_lstm(VECTORS, 3, ticks=2, neurons=8),
    "endless": control_machine(VECTORS, 3, **SIZES).replace(output=ctm.Synchronization.Config(ctm.Dense(3))),
}


def made(name):
    return Agent(perturbed(CONFIGS[name].build()).double())


def observations(count, batch=3):
    return torch.randn(count, batch, 4, dtype=torch.float64)


def same(mine, theirs):
    for one, other in zip(pytree.tree_leaves(mine), pytree.tree_leaves(theirs), strict=True):
        if one is not None:
            torch.testing.assert_close(*torch.broadcast_tensors(one, other), rtol=0, atol=1e-12)


def gradients(agent, loss):
    found = torch.autograd.grad(loss, list(agent.parameters()), allow_unused=True, materialize_grads=True)
    return dict(zip((name for name, _ in agent.named_parameters()), found, strict=True))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_thoughts_are_carried_from_observation_to_observation(name, shared):
    """As the oracle thinks about each from the state after the one before, gradients of all weights included."""
    agent, seen = made(name), observations(3)
    oracle = ctm.literal.from_model(agent.machine)
    weights = agent.prepare_weights() if shared else None
    state, expected = agent.initial_state(3), oracle.model.start(3)
    losses = []
    for observation in seen:
        numbers, value, state = agent(observation, state, weights)
        thoughts = oracle(observation, state=expected)
        expected = thoughts.state
        said = thoughts.logits[:, -1]
        assert numbers.shape == (3, said.shape[1] - 1)
        torch.testing.assert_close(torch.cat([numbers, value.unsqueeze(-1)], dim=-1), said)
        losses.append((numbers.square().sum() + value.sum(), said[:, :-1].square().sum() + said[:, -1].sum()))
    same(state, expected)
    assert state.ticks.tolist() == [6, 6, 6]
    mine, theirs = (gradients(agent, sum(terms)) for terms in zip(*losses, strict=True))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_reset_sample_begins_anew_and_the_others_go_on(name):
    agent, seen = made(name), observations(2)
    started = torch.tensor([True, False, True])
    *_, state = agent(seen[0], agent.initial_state(3))
    numbers, value, after = agent(seen[1], agent.reset(state, started))
    alone, alone_value, fresh = agent(seen[1], agent.initial_state(3))
    going, going_value, on = agent(seen[1], state)
    torch.testing.assert_close(numbers, torch.where(started.unsqueeze(-1), alone, going))
    torch.testing.assert_close(value, torch.where(started, alone_value, going_value))
    for mixed, new, old in zip(*map(pytree.tree_leaves, (after, fresh, on)), strict=True):
        if mixed is not None:
            mask = started.view(-1, *[1] * (mixed.dim() - 1))
            torch.testing.assert_close(mixed, torch.where(mask, new, old))
    assert after.ticks.tolist() == [2, 4, 2]


def test_gradients_of_a_reset_go_to_the_learned_start_alone():
    machine = CONFIGS["vectors"].replace(ticks=1).build()  # so that the learned window is still in use after it
    agent, seen = Agent(perturbed(machine).double()), observations(2)
    *_, state = agent(seen[0], agent.initial_state(3))
    starts = [name for name, _ in agent.named_parameters() if "start" in name]
    everywhere = torch.ones(3, dtype=torch.bool)
    for started, reached in ((everywhere, starts), (~everywhere, [])):
        kept = tree_map(torch.Tensor.detach, state)
        numbers, _, _ = agent(seen[1], agent.reset(kept, started))
        found = gradients(agent, numbers.square().sum())
        assert [name for name in starts if found[name].any()] == reached
    assert len(starts) == 3


def test_a_start_is_exact():
    agent = made("vectors")
    *_, state = agent(observations(1)[0], agent.initial_state(3))
    fresh, reset = agent.initial_state(3), agent.reset(state, torch.ones(3, dtype=torch.bool))
    assert tree_map(torch.equal, fresh, reset) == tree_map(lambda tensor: True, fresh)


@pytest.mark.parametrize("shared", [False, True])
def test_thinking_is_recorded(shared):
    agent, observation, ticks = made("vectors"), observations(1)[0], []
    thoughts = agent.think(
        observation,
        agent.initial_state(3),
        record={"post_activations"},
        on_tick=lambda tick, state, seen: ticks.append(tick),
        weights=agent.prepare_weights() if shared else None,
    )
    assert thoughts.recorded.post_activations.shape == (3, 2, 8)
    assert thoughts.recorded.output is None
    assert ticks == [0, 1]
    assert thoughts.logits.shape == (3, 2, 4)


def test_an_agent_has_the_policy_of_its_machine():
    agent = made("continuous")
    numbers, _, _ = agent(observations(1)[0], agent.initial_state(3))
    torch.testing.assert_close(agent.policy(numbers).mean, numbers[:, :2])


def test_what_cannot_act_is_refused():
    with pytest.raises(ConfigError, match=r"readout\.kind = 'classes': expected 'actor_critic'"):
        Agent(ctm.preset("digits").model.build())
    agent = made("vectors")
    with pytest.raises(ValueError, match="batch = 0: expected at least 1"):
        agent.initial_state(0)
    state = agent.initial_state(3)
    with pytest.raises(ValueError, match=r"started of shape \(2,\): expected \(3,\), one for each sample"):
        agent.reset(state, torch.ones(2, dtype=torch.bool))
    for weights in (None, agent.prepare_weights()):
        with pytest.raises(ValueError, match="state of 3 samples: expected 2"):
            agent(torch.zeros(2, 4, dtype=torch.float64), state, weights)
