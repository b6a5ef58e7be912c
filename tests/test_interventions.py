"""Looking inside and intervening, against loops written out by hand and against the oracle."""

import copy
import pickle
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import ctm
from ctm.cores.lstm import LSTMState
from machines import doubled, inputs_for, machine_configs, perturbed

SIGNS = torch.tensor([[1.0, -1, -1, 1, 1, 1, -1, 1, -1], [-1.0, -1, 1, 1, -1, 1, 1, 1, 1]])


@pytest.fixture
def model() -> ctm.ContinuousThoughtMachine:
    return perturbed(ctm.build("parity/quick")).double().eval()


def gradients(model: nn.Module, logits: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(logits.square().sum(), list(model.parameters()), materialize_grads=True))


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=1e-9)


@given(config=machine_configs(), tick=st.integers(0, 4), value=st.floats(-1, 1))
def test_an_intervention_is_that_of_the_oracle(config: ctm.MachineConfig, tick: int, value: float) -> None:
    """The oracle's core is wrapped so that it gives other post-activations; everything else is the oracle's own."""
    model, x = perturbed(config.build()).double().eval(), doubled(inputs_for(config, 2))
    recur, calls = ctm.literal.recur, []

    def lesioned(core, state, observed):
        state = recur(core, state, observed)
        calls.append(tick)
        if len(calls) != tick + 1:
            return state
        z = state.post_activations.clone()
        z[:, [1, 4]] = value
        state = state._replace(post_activations=z)
        if isinstance(state, LSTMState):
            state = state._replace(hidden=torch.cat([state.hidden[:, :-1], z[:, None]], dim=1))
        return state

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctm.literal, "recur", lesioned)
        expected = ctm.literal.from_model(model)(x, ticks=5, record=True)
    with model.intervene(tick, neurons=[1, 4], value=value):
        found = model(x, ticks=5, record=True)
    assert_same([found.logits, found.record.output], [expected.logits, expected.record.output])
    assert (found.record.post_activations[:, tick, [1, 4]] == value).all()
    assert_same(gradients(model, found.logits), gradients(model, expected.logits))


@given(config=machine_configs(), tick=st.integers(0, 3))
def test_a_lesion_by_hook_is_a_loop_that_edits_the_state(config: ctm.MachineConfig, tick: int) -> None:
    model, x = perturbed(config.build()).double().eval(), doubled(inputs_for(config, 2))

    def lesion(state: ctm.State) -> ctm.State:
        mask = torch.ones(config.core.neurons, dtype=torch.float64).index_fill(0, torch.tensor([0, 3]), 0.5)
        core = state.core._replace(post_activations=state.core.post_activations * mask)
        if hasattr(core, "history"):
            core = core._replace(history=core.history * mask[:, None])
        return state._replace(core=core)

    expected, state, prepared = [], model.start(2), model.prepare(x)
    for number in range(5):
        state, _ = model.step(state, prepared)
        state = lesion(state) if number == tick else state
        expected.append(model.readout(model.output.read(state.output)))
    thoughts = model(x, ticks=5, on_tick=lambda number, state, _: lesion(state) if number == tick else None)
    logits = torch.stack(expected, dim=1)
    assert_same([thoughts.logits], [logits])
    assert_same(gradients(model, thoughts.logits), gradients(model, logits))


def test_a_hook_sees_every_tick_and_records_show_what_it_changes(model) -> None:
    seen = []

    def hook(tick: int, state: ctm.State, observation: ctm.Observation) -> ctm.State:
        seen.append((tick, state.ticks.tolist(), observation.attention.shape[0]))
        return state._replace(
            core=state.core._replace(post_activations=torch.full_like(state.core.post_activations, 7))
        )

    thoughts = model(SIGNS.double(), ticks=2, on_tick=hook, record={"post_activations"})
    assert seen == [(0, [1, 1], 2), (1, [2, 2], 2)]
    assert (thoughts.record.post_activations == 7).all()


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda state: state.core, TypeError, "on_tick returned NeuronState: expected a State, or None"),
        (lambda state: state._replace(ticks=state.ticks[:1]), ValueError, "a state of 1 samples: expected 2"),
    ],
)
def test_hooks_that_return_something_else_are_refused(model, returned, error, message) -> None:
    with pytest.raises(error, match=message):
        model(SIGNS.double(), on_tick=lambda tick, state, observation: returned(state))


def active_ticks(model, tick, ticks: int = 6) -> list[int]:
    """At which ticks an intervention sets a neuron."""
    with model.intervene(tick, neurons=3, value=9.0):
        activity = model(SIGNS.double(), ticks=ticks, record={"post_activations"}).record.post_activations
    return (activity[0, :, 3] == 9).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("tick", "expected"),
    [
        (2, [2]),
        (range(1, 4), [1, 2, 3]),
        (range(1, 6, 2), [1, 3, 5]),
        (slice(4, None), [4, 5]),
        (slice(None, 2), [0, 1]),
        (None, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_ticks_are_a_number_a_range_a_slice_or_all(model, tick, expected) -> None:
    assert active_ticks(model, tick) == expected


def test_ticks_are_counted_from_the_start_of_each_sample(model) -> None:
    x = SIGNS.double()
    with model.intervene(tick=3, neurons=[0, 5], value=1.0):
        whole = model(x, ticks=6)
        half = model(x, ticks=2)
        rest = model(x, ticks=4, state=half.state)
    torch.testing.assert_close(torch.cat([half.logits, rest.logits], dim=1), whole.logits)


def test_values_for_neurons_and_for_samples_have_gradients(model) -> None:
    x = SIGNS.double()
    for value in (torch.tensor([0.5, -0.5]), torch.tensor([[0.1, 0.2], [0.3, 0.4]])):
        value.requires_grad_()
        with model.intervene(tick=1, neurons=torch.tensor([8, 2]), value=value):
            thoughts = model(x, ticks=3, record=True)
        expected = value.detach().double().expand(2, 2)
        assert torch.equal(thoughts.record.post_activations[:, 1, [8, 2]], expected)
        (grad,) = torch.autograd.grad(thoughts.logits.square().sum(), value)
        assert (grad != 0).all()


def test_interventions_act_one_after_the_other_and_end_with_their_block(model) -> None:
    x = SIGNS.double()
    before = model(x, ticks=3).logits
    with model.intervene(neurons=[0, 1], value=1.0):
        with model.intervene(neurons=[1, 2], value=2.0):
            activity = model(x, ticks=3, record=True).record.post_activations
            for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
                assert torch.equal(other(x, ticks=3).logits, before)
        outer = model(x, ticks=3, record=True).record.post_activations
    with pytest.raises(TypeError), model.intervene(neurons=[0, 1], value=1.0):
        model("no signs")
    assert (activity[..., :3] == torch.tensor([1.0, 2.0, 2.0])).all()
    assert (outer[..., :2] == 1).all()
    assert not (outer[..., 2] == 2).any()
    assert model.interventions == []
    assert torch.equal(model(x, ticks=3).logits, before)


def test_an_intervention_reaches_samples_of_different_ages(model) -> None:
    inputs = SIGNS.double().repeat(4, 1)
    with model.intervene(tick=2, neurons=range(30), value=2.0):
        expected = model(inputs).at("most_certain")
        plain = ctm.think(model, inputs, until=1.0, batch=3)
    torch.testing.assert_close(plain.answers, expected)
    with pytest.raises(ValueError, match="samples come and go"), model.intervene(neurons=[1], value=torch.zeros(2, 1)):
        ctm.think(model, inputs, batch=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"neurons": [128]}, ValueError, "neurons: 128 does not exist; expected 0 to 127"),
        ({"neurons": [-1]}, ValueError, "neurons: -1 does not exist"),
        ({"neurons": [1, 1]}, ValueError, r"neurons = \[1, 1\]: expected at least one, and none twice"),
        ({"neurons": []}, ValueError, "expected at least one"),
        ({"neurons": [True]}, TypeError, r"neurons = \[True\]: expected whole numbers"),
        ({"tick": -1}, ValueError, "tick = -1: expected ticks from 0 on"),
        ({"tick": range(3, 3)}, ValueError, "expected ticks from 0 on, in order"),
        ({"tick": slice(None, None, -1)}, ValueError, "expected ticks from 0 on, in order"),
        ({"tick": True}, TypeError, "tick = True: expected a number, a range, a slice, or None"),
        ({"value": torch.zeros(3)}, ValueError, r"value of shape \(3,\): expected a number, \(2,\) or \(B, 2\)"),
    ],
)
def test_interventions_that_make_no_sense_are_refused(model, arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        model.intervene(**{"neurons": [1, 2], "value": 0.0} | arguments)


def test_values_for_other_samples_are_refused(model) -> None:
    with (
        pytest.raises(ValueError, match="value for 3 samples: expected 2"),
        model.intervene(neurons=[1], value=torch.zeros(3, 1)),
    ):
        model(SIGNS.double())


def test_a_tick_that_never_comes_is_said(model) -> None:
    with pytest.warns(UserWarning, match="tick = 50: nothing was set"), model.intervene(50, neurons=1, value=0.0):
        model(SIGNS.double(), ticks=3)


@pytest.mark.parametrize("part", ["core", "observer", "core.synapses"])
def test_hooks_of_pytorch_that_do_not_fire_are_said(model, part) -> None:
    handle = model.get_submodule(part).register_forward_hook(lambda *_: None)
    with pytest.warns(UserWarning, match=f"hooks on {part} do not fire.*on_tick"):
        model(SIGNS.double(), ticks=1)
    handle.remove()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(SIGNS.double(), ticks=1)


def test_hooks_of_pytorch_that_fire_are_not_warned_of(model) -> None:
    fired = []
    for part in (model, model.backbone, model.readout):
        part.register_forward_hook(lambda module, *_: fired.append(module))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(SIGNS.double(), ticks=1)
    assert fired == [model.backbone, model.readout, model]
    assert not model.readout._forward_pre_hooks


def test_records_are_what_was_asked_for(model) -> None:
    everything = model(SIGNS.double(), ticks=3, record=True).record
    for names in ({"attention"}, ["post_activations", "output"], "action", set(ctm.Record._fields[:-1])):
        record = model(SIGNS.double(), ticks=3, record=names).record
        chosen = {names} if isinstance(names, str) else set(names)
        for name in ctm.Record._fields[:-1]:
            found = getattr(record, name)
            assert (found is not None) == (name in chosen)
            assert found is None or torch.equal(found, getattr(everything, name))
        assert record.grid == everything.grid
    assert model(SIGNS.double(), ticks=1, record=set()).record is None


def test_what_is_not_recorded_is_not_read(model, monkeypatch) -> None:
    reads = []
    read = model.action.read
    monkeypatch.setattr(model.action, "read", lambda state: reads.append(1) or read(state))
    model(SIGNS.double(), ticks=3, record={"attention"})
    assert len(reads) == 3  # those that form the queries


def test_unknown_names_to_record_are_refused(model) -> None:
    with pytest.raises(
        ValueError, match="record: 'neurons' is unknown; expected True, False or some of pre_activations"
    ):
        model(SIGNS.double(), record={"neurons"})
    with pytest.raises(
        ValueError, match=r"record.post_activations: nothing was recorded; .*record=\{'post_activations'"
    ):
        model(SIGNS.double(), ticks=1, record={"attention"}).record.synchronization_matrix([1])


@pytest.mark.parametrize("part", ["output", "action"])
def test_synchronization_matrices_have_the_pairs_that_the_machine_reads(model, part) -> None:
    representation = getattr(model, part)
    neurons = torch.arange(model.config.core.neurons).flip(0)
    left, right = (len(neurons) - 1 - side for side in (representation.left, representation.right))
    decay = torch.rand(len(neurons), len(neurons), dtype=torch.float64)
    with torch.no_grad():
        representation.decay.copy_(decay[left, right])
    record = model(SIGNS.double(), ticks=5, record=True).record
    start = model.start(1).core.post_activations
    matrix = record.synchronization_matrix(neurons, decay, start)
    assert matrix.shape == (2, 5, 128, 128)
    read = getattr(record, part)
    found = matrix[:, :, left, right]
    if part == "action":  # as it formed the query, a tick before
        found, read = found[:, :-1], read[:, 1:]
    torch.testing.assert_close(found, read, atol=1e-12, rtol=1e-12)


def test_synchronization_matrices_without_the_start(model) -> None:
    record = model(SIGNS.double(), ticks=4, record={"post_activations"}).record
    z = record.post_activations[:, :, [3, 7]]
    expected = torch.stack([z[:, : t + 1].mT @ z[:, : t + 1] / (t + 1) ** 0.5 for t in range(4)], dim=1)
    torch.testing.assert_close(record.synchronization_matrix([3, 7]), expected)
    with pytest.raises(ValueError, match=r"neurons = \[3, 128\]: expected 0 to 127"):
        record.synchronization_matrix([3, 128])
    with pytest.raises(ValueError, match="decay: expected at least 0"):
        record.synchronization_matrix([3], decay=-1.0)
