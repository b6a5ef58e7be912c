import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ctm
from control.agents import machine
from ctm.control.agent import Agent
from ctm.control.rollouts import carried
from ctm.control.unrolled import AgentStream, UnrolledAgent
from ctm.inputs import slice_batch, tree_leaves


def built(core, ticks=2):
    torch.manual_seed(0)
    return machine(core, ticks).build().double()


def walk(oracle, model, observations, started, state):
    """Step by step and environment by environment, as the paper has it: an episode begins with the learned start."""
    steps, count = started.shape
    numbers = [[] for _ in range(steps)]
    states = [slice_batch(state, row, row + 1) for row in range(count)]
    for step in range(steps):
        for row in range(count):
            before = model.start(1) if started[step, row] else states[row]
            thoughts = oracle(observations[step, row : row + 1], state=before)
            states[row] = thoughts.state
            numbers[step].append(thoughts.logits[0, -1])
    return torch.stack([torch.stack(row) for row in numbers])


@pytest.mark.parametrize("core", ["neurons", "lstm"])
@settings(deadline=None, max_examples=12)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), st.integers(0, 1000))
def test_many_steps_at_once_are_the_steps_one_by_one(core, ticks, steps, count, seed):
    """Policies, values and all gradients, against the literal loop, over episodes that begin anywhere."""
    source = torch.Generator().manual_seed(seed)
    model = built(core, ticks)
    observations = torch.randn(steps, count, 4, generator=source, dtype=torch.float64)
    started = torch.rand(steps, count, generator=source) < 0.3
    with torch.no_grad():
        before = torch.randn(count, 4, generator=source, dtype=torch.float64)
        state = carried(model(before).state)
    policies, values = UnrolledAgent(Agent(model))(observations, started, state)
    found = torch.cat([policies, values.unsqueeze(-1)], dim=-1)
    weights = torch.randn(found.shape, generator=source, dtype=torch.float64)
    gradients = torch.autograd.grad((found * weights).sum(), list(model.parameters()), allow_unused=True)
    expected = walk(ctm.literal.from_model(model), model, observations, started, state)
    torch.testing.assert_close(found, expected)
    slow = torch.autograd.grad((expected * weights).sum(), list(model.parameters()), allow_unused=True)
    for (name, parameter), fast, literal in zip(model.named_parameters(), gradients, slow, strict=True):
        nothing = torch.zeros_like(parameter)
        fast, literal = (nothing if gradient is None else gradient for gradient in (fast, literal))
        torch.testing.assert_close(fast, literal, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("core", ["neurons", "lstm"])
def test_acting_is_unrolling_without_gradients(core):
    model = built(core)
    agent = Agent(model)
    source = torch.Generator().manual_seed(1)
    observations = torch.randn(20, 3, 4, generator=source, dtype=torch.float64)
    started = torch.rand(20, 3, generator=source) < 0.2
    state = carried(agent.initial_state(3))
    with torch.no_grad():
        policies, values = UnrolledAgent(agent)(observations, started, state)
    acting = AgentStream(agent, state)
    steps = [acting.observe(seen, begins) for seen, begins in zip(observations, started, strict=True)]
    torch.testing.assert_close(torch.stack([numbers for numbers, _ in steps]), policies)
    torch.testing.assert_close(torch.stack([value for _, value in steps]), values)
    assert not any(leaf.requires_grad for leaf in tree_leaves(acting.state))


def test_the_learned_start_learns_from_episodes_that_begin_and_from_no_others():
    model = built("neurons")
    observations, state = torch.randn(3, 2, 4, dtype=torch.float64), carried(model.start(2))
    begins = torch.zeros(3, 2, dtype=torch.bool)
    for started, learns in ((begins, False), (begins | torch.tensor([[False], [True], [False]]), True)):
        model.zero_grad()
        policies, values = UnrolledAgent(Agent(model))(observations, started, state)
        (policies.sum() + values.sum()).backward()
        starts = [model.core.start_post_activations, model.core.start_history, model.output.start_window]
        assert all((start.grad is not None and bool(start.grad.any())) is learns for start in starts)


def test_a_tick_is_told_of():
    model = built("neurons", ticks=3)
    seen = []
    acting = AgentStream(Agent(model), model.start(1), on_tick=lambda state: seen.append(state.ticks.item()))
    acting.observe(torch.zeros(1, 4, dtype=torch.float64), torch.ones(1, dtype=torch.bool))
    assert seen == [1, 2, 3]


def test_modules_are_the_agents_own():
    model = built("neurons")
    assert {id(parameter) for parameter in UnrolledAgent(Agent(model)).parameters()} == set(map(id, model.parameters()))


def test_every_parameter_has_a_gradient_even_if_no_episode_begins():
    """Processes that learn together wait for all of them."""
    unrolled = UnrolledAgent(ctm.Agent(machine().build()))
    state = carried(unrolled.agent.initial_state(2))
    numbers, values = unrolled(torch.randn(3, 2, 4), torch.zeros(3, 2, dtype=torch.bool), state)
    (numbers.sum() + values.sum()).backward()
    assert [name for name, parameter in unrolled.named_parameters() if parameter.grad is None] == []
