"""The private models over many ticks: the numbers and gradients of the pure function, however the graph is walked."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from ctm import NeuronModels
from ctm.kernels.neuron_pass import LEVELS, dropout, kept, probability
from machines import perturbed

MODELS = st.builds(
    NeuronModels.Config,
    hidden=st.one_of(st.none(), st.integers(1, 3)),
    layer_norm=st.booleans(),
    dropout=st.sampled_from([0.0, 0.4]),
)


def pass_of(models, start, columns, room):
    """All histories and answers of a pass whose buffer has room for so many ticks; 0 for pure steps."""
    torch.manual_seed(0)  # of dropout
    think, history, seen = models.prepare(room), start, []
    for column in columns:
        z, history = think(history, column)
        seen += [z, history]
    return seen


@given(config=MODELS, ticks=st.integers(1, 5), room=st.integers(1, 4), memory=st.integers(1, 4), kind=st.booleans())
def test_a_pass_is_pure_steps(config, ticks, room, memory, kind):
    models = perturbed(NeuronModels(config, 3, memory)).double()
    start = torch.randn(2, 3, memory, dtype=torch.float64).requires_grad_()
    columns = [torch.randn(2, 3, dtype=torch.float64).requires_grad_() for _ in range(ticks)]
    inputs = [start, *columns, *models.parameters()]
    expected, found = (pass_of(models, start, columns, count) for count in (0, room))
    torch.testing.assert_close(found, expected)
    with torch.no_grad():
        torch.testing.assert_close(pass_of(models, start, columns, room), [part.detach() for part in expected])
    chosen = slice(None) if kind else slice(0, None, 2)  # histories in the loss, or answers alone
    weights = [torch.randn_like(part) for part in expected]
    wanted, got = (
        torch.autograd.grad(
            sum((part * weight).sum() for part, weight in zip(seen[chosen], weights[chosen], strict=True)),
            inputs,
            retain_graph=True,
        )
        for seen in (expected, found)
    )
    torch.testing.assert_close(got, wanted)


def twice_from_one_state(think, other, start, columns):
    z, history = think(start, columns[0])
    first, second = think(history, columns[1]), think(history, columns[2])
    return [z, history, *first, *second, *think(first[1], columns[3])]


def with_changed_rows(think, other, start, columns):
    z, history = think(start, columns[0])
    history = torch.where(torch.tensor([True, False]).view(2, 1, 1), start, history)
    return [z, *think(history, columns[1])]


def from_a_detached_history(think, other, start, columns):
    z, history = think(start, columns[0])
    return [z, history, *think(history.detach(), columns[1])]


def from_a_cloned_history(think, other, start, columns):
    z, history = think(start, columns[0])
    return [z, *think(history.clone(), columns[1])]


def from_another_pass(think, other, start, columns):
    _, first = other(start, columns[0])
    z, second = think(start, columns[1])
    return [z, second, *think(first, columns[2])]


def through_the_history_alone(think, other, start, columns):
    """Nothing else connects the ticks."""
    _, history = think(start, columns[0])
    _, history = think(history, columns[1])
    return [think(history, columns[2])[0]]


WAYS = [
    twice_from_one_state,
    with_changed_rows,
    from_a_detached_history,
    from_a_cloned_history,
    from_another_pass,
    through_the_history_alone,
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["learning", "answering", "prepared without gradients"])
def test_any_history_may_follow(way, kind):
    """What a pass with a buffer gives is what pure steps give, whatever history a step is given."""
    models = perturbed(NeuronModels(NeuronModels.Config(2), 3, 4)).double()
    start = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    columns = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(4)]
    inputs = [start, *columns, *models.parameters()]
    found = []
    for room in (0, 6):
        with torch.set_grad_enabled(kind == "learning"):
            think, other = models.prepare(room), models.prepare(room)
        with torch.set_grad_enabled(kind != "answering"):
            seen = way(think, other, start, columns)
        grads = []
        if kind != "answering":
            loss = sum((part * torch.linspace(-1, 1, part.numel()).view_as(part)).sum() for part in seen)
            grads = torch.autograd.grad(loss, inputs, materialize_grads=True)
        found.append(([part.detach() for part in seen], grads))
    torch.testing.assert_close(*reversed(found))


def test_a_pass_has_one_buffer():
    think = NeuronModels(NeuronModels.Config(2), 3, 4).prepare(5)
    _, history = think(torch.randn(2, 3, 4), torch.randn(2, 3))
    buffer = think.histories
    for _ in range(4):
        _, history = think(history, torch.randn(2, 3))
    assert think.histories is buffer


def test_a_history_changed_in_place_is_noticed():
    think = NeuronModels(NeuronModels.Config(2), 3, 4).prepare(2)
    z, history = think(torch.randn(2, 3, 4), torch.randn(2, 3))
    with torch.no_grad():
        history[0] = 0
    with pytest.raises(RuntimeError, match="modified by an inplace operation: change a copy"):
        z.sum().backward()
    with pytest.raises(RuntimeError, match="modified inplace"):  # PyTorch's own refusal
        think(history, z)


def test_walks_over_the_same_graph_do_not_mix():
    models = perturbed(NeuronModels(NeuronModels.Config(2), 3, 4)).double()
    start = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    columns = [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    loss = sum(part.square().sum() for part in pass_of(models, start, columns, 3))
    inputs = [start, *columns, *models.parameters()]
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    torch.autograd.grad(loss, columns[1], retain_graph=True)  # leaves notes that nobody collects
    torch.testing.assert_close(torch.autograd.grad(loss, inputs), first)


def test_the_first_tick_alone_can_be_asked():
    models = perturbed(NeuronModels(NeuronModels.Config(2), 3, 4)).double()
    start, columns = torch.randn(2, 3, 4, dtype=torch.float64), [torch.randn(2, 3, dtype=torch.float64)] * 2
    expected, found = (
        torch.autograd.grad(pass_of(models, start, columns, room)[0].sum(), list(models.parameters()))
        for room in (0, 2)
    )
    torch.testing.assert_close(found, expected)


@given(config=MODELS, ticks=st.integers(1, 3), room=st.integers(1, 3), kind=st.booleans())
def test_second_derivatives_are_those_of_pure_steps(config, ticks, room, kind):
    models = perturbed(NeuronModels(config, 3, 2)).double()
    start = torch.randn(2, 3, 2, dtype=torch.float64).requires_grad_()
    columns = [torch.randn(2, 3, dtype=torch.float64).requires_grad_() for _ in range(ticks)]
    inputs = [start, *columns, *models.parameters()]
    chosen = slice(None) if kind else slice(0, None, 2)  # histories in the loss, or answers alone
    seconds = []
    for count in (0, room):
        seen = pass_of(models, start, columns, count)
        loss = sum(part.square().sum() for part in seen[chosen])
        first = torch.autograd.grad(loss, inputs, create_graph=True)
        seconds.append(torch.autograd.grad(sum(grad.square().sum() for grad in first), inputs))
    torch.testing.assert_close(*reversed(seconds))


@pytest.mark.parametrize("dropped", [0.1, 0.5, 0.9])
def test_as_many_inputs_are_dropped_as_asked(dropped):
    torch.manual_seed(0)
    mask = kept((100, 101, 99), dropped, torch.device("cpu"))
    assert set(mask.unique().tolist()) == {0, 1}
    assert mask.float().mean().item() == pytest.approx(1 - dropped, abs=2e-3)
    assert abs(probability(dropped) - dropped) < 1 / LEVELS
    x = dropout(torch.ones(100, 101, 99), dropped)
    assert x.mean().item() == pytest.approx(1, abs=0.01)


def test_nothing_is_dropped_at_zero():
    assert kept((3, 5, 7), 0.0, torch.device("cpu")).all()
