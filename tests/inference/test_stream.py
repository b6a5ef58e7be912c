"""Streams: the numbers of the machine called frame by frame, whatever happens to weights and states."""

import gc

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils import _pytree as pytree

import ctm
from ctm.inputs import as_tuple
from machines import doubled, inputs_for, machine_configs, perturbed


@pytest.fixture
def model() -> ctm.ContinuousThoughtMachine:
    return perturbed(ctm.build("parity/quick")).double().eval()


def frames(count: int, batch: int = 2) -> list[Tensor]:
    return list((torch.rand(count, batch, 9) < 0.5).double() * 2 - 1)


def assert_same(found, expected) -> None:
    for mine, theirs in zip(pytree.tree_leaves(found), pytree.tree_leaves(expected), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)


@given(config=machine_configs(dropout=st.just(0.5)), ticks=st.lists(st.integers(1, 3), min_size=2, max_size=4))
def test_a_stream_is_the_machine_frame_by_frame(config: ctm.MachineConfig, ticks: list[int]) -> None:
    model = perturbed(config.build()).double().train()
    stream, state = ctm.Stream(model, batch=2), None
    for count in ticks:
        frame = as_tuple(doubled(inputs_for(config, 2)))
        found = stream.observe(*frame, ticks=count)
        assert model.training
        expected = model.eval()(*frame, ticks=count, state=state)
        assert_same(found, expected)
        assert not any(leaf.requires_grad for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor))
        state = expected.state
        assert_same(stream.state, state)
        model.train()


def test_weights_are_prepared_once(model, monkeypatch) -> None:
    prepared = []
    prepare = model.prepare_weights
    monkeypatch.setattr(model, "prepare_weights", lambda: prepared.append(1) or prepare())
    stream = ctm.Stream(model, batch=2)
    for frame in frames(4):
        stream.observe(frame)
    assert len(prepared) == 1


def learn(model: ctm.ContinuousThoughtMachine) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(frames(1)[0], ticks=2).logits.square().sum().backward()
    optimizer.step()


def load(model: ctm.ContinuousThoughtMachine, assign: bool) -> None:
    other = perturbed(ctm.build("parity/quick", seed=1)).double()
    model.load_state_dict(other.state_dict(), assign=assign)


@pytest.mark.parametrize(
    "change",
    [
        learn,
        lambda model: load(model, assign=False),
        lambda model: load(model, assign=True),
        lambda model: model.float().double(),
    ],
)
def test_weights_that_changed_meanwhile_are_noticed(model, change) -> None:
    stream = ctm.Stream(model, batch=2)
    first, second = frames(2)
    stream.observe(first)
    change(model)
    expected = model(second, state=stream.state, ticks=1)
    assert_same(stream.observe(second).logits, expected.logits)


def test_changes_that_pytorch_does_not_count_need_a_refresh(model) -> None:
    stream = ctm.Stream(model, batch=2)
    first, second = frames(2)
    before = stream.observe(first).state
    model.observer.query.weight.data.mul_(3)
    stream.state = before
    expected = model(second, state=before, ticks=1).logits
    stream.refresh()
    assert_same(stream.observe(second).logits, expected)


def test_some_streams_begin_anew(model) -> None:
    stream = ctm.Stream(model, batch=3)
    for frame in frames(3, batch=3):
        stream.observe(frame)
    stream.reset([1])
    alone = [ctm.Stream(model) for _ in range(3)]
    for sample in (0, 2):
        alone[sample].state = pytree.tree_map(lambda tensor, row=sample: tensor[row : row + 1], stream.state)
    for frame in frames(2, batch=3):
        found = stream.observe(frame, ticks=2).logits
        expected = [one.observe(frame[row : row + 1], ticks=2).logits for row, one in enumerate(alone)]
        assert_same(found, torch.cat(expected))
    assert stream.state.ticks.tolist() == [7, 4, 7]
    stream.reset()
    assert stream.state.ticks.tolist() == [0, 0, 0]
    assert_same(stream.state, model.start(3))


def test_states_are_set_detached_and_moved(model) -> None:
    x = frames(1)[0]
    thoughts = model(x, ticks=2)
    stream = ctm.Stream(model, batch=2)
    stream.state = thoughts.state
    assert not any(leaf.requires_grad for leaf in pytree.tree_leaves(stream.state))
    assert_same(stream.observe(x).logits, model(x, ticks=1, state=thoughts.state).logits)
    assert stream.to("meta") is stream
    assert {leaf.device.type for leaf in pytree.tree_leaves(stream.state)} == {"meta"}


def test_an_endless_stream_needs_no_more_memory(model) -> None:
    stream = ctm.Stream(model, batch=2)

    def tensors() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    counts = []
    for frame in frames(6):
        stream.observe(frame, ticks=3)
        counts.append(tensors())
    assert counts[-1] == counts[2]
    histories = {leaf.untyped_storage().nbytes() for leaf in pytree.tree_leaves(stream.state)}
    assert max(histories) <= 2 * 128 * model.config.core.memory * 8


def test_an_intervention_reaches_a_stream(model) -> None:
    stream, images = ctm.Stream(model, batch=2), frames(4)
    with model.intervene(tick=2, neurons=[0, 1], value=3.0):
        found = [stream.observe(frame).state.core.post_activations[:, :2] for frame in images]
    assert [bool((z == 3).all()) for z in found] == [False, False, True, False]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: ctm.Stream(model, batch=0), "batch = 0: expected at least 1"),
        (lambda model: ctm.Stream(model).observe(torch.ones(2, 9).double()), "frame of 2 samples: expected 1"),
        (lambda model: ctm.Stream(model).observe(torch.ones(1, 9).double(), ticks=0), "ticks = 0: expected at least 1"),
        (lambda model: ctm.Stream(model).reset([1]), r"rows = \[1\]: expected 0 to 0"),
        (lambda model: setattr(ctm.Stream(model), "state", model.start(2)), "state of 2 samples: expected 1"),
    ],
)
def test_what_does_not_fit_is_refused(model, call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(model)
