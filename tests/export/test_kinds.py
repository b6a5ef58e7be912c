"""Exported machines of every kind answer what PyTorch's do, whatever the batch, also stopping and going on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ctm
import ctm.export
import ctm.runtime
from ctm.inputs import as_tuple, slice_batch
from ctm.thoughts import RULES
from export.kinds import KINDS, inputs, machine
from machines import inputs_for, machine_configs, perturbed, readouts

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def arrays(samples):
    return [tensor.numpy() for tensor in as_tuple(samples)]


def assert_close(found, expected):
    torch.testing.assert_close(torch.from_numpy(found), expected, **CLOSE)


@torch.no_grad()
def assert_thinks_alike(loaded, model, samples):
    """Passes of several batches and ticks, with attention, and going on from a state."""
    for batch in (1, 2, 5):
        part = slice_batch(samples, 0, batch)
        found, expected = loaded(*arrays(part), attention=True), model(part, record=True)
        assert_close(found.logits, expected.logits)
        assert_close(found.certainty, expected.certainty)
        assert found.shown == expected.shown
        assert (found.attention is None) == (expected.record.attention is None)
        if found.attention is not None:
            assert_close(found.attention, expected.record.attention)
    more = loaded(*arrays(samples), ticks=2, state=loaded(*arrays(samples), ticks=1).state)
    longer = model(samples, ticks=3)
    assert_close(more.logits, longer.logits[:, 1:])
    assert more.shown == max(longer.shown - 1, 0)
    silenced = list(range(0, model.config.core.neurons, 2))
    with model.intervene(neurons=silenced, value=0.0):
        assert_close(loaded(*arrays(samples), silenced=silenced).logits, model(samples).logits)
    for rule in (*RULES, 0, -1):
        cut = ctm.Thoughts(longer.logits[:, 1:], longer.certainty[:, 1:], None, shown=more.shown)
        assert_close(more.at(rule, 0.3), cut.at(rule, 0.3))


@torch.no_grad()
def assert_stops_alike(loaded, model, samples, rule):
    """At a certainty in the widest gap between those that there are, which rounding does not cross."""
    thoughts = model(samples, ticks=model.observer.shown(samples) + 4).due
    known = torch.cat([torch.tensor([0.0, 1.0]), thoughts.certainty.flatten().clamp(0, 1)]).sort().values
    widest = known.diff().argmax()
    until = float(known[widest] + known.diff()[widest] / 2)
    expected = ctm.think(model, samples, until, 4, rule)
    found = loaded.think(*arrays(samples), until=until, max_ticks=4, answer=rule, batch=3)
    assert found.ticks.tolist() == expected.ticks.tolist()
    assert_close(found.answers, expected.answers)
    assert_close(found.certainty, expected.certainty)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_part(tmp_path, kind):
    model = machine(kind)
    samples = inputs(model, 5)
    ctm.export.to_onnx(model, slice_batch(samples, 0, 1), tmp_path / "machine")
    loaded = ctm.runtime.load(tmp_path / "machine", threads=1)
    assert_thinks_alike(loaded, model, samples)
    for rule in RULES:
        assert_stops_alike(loaded, model, samples, rule)


@settings(max_examples=2)
@given(config=machine_configs(readout=readouts()), rule=st.sampled_from(RULES))
def test_any_machine(tmp_path_factory, config, rule):
    model = perturbed(config.build()).eval()
    samples = inputs_for(config, 5)
    folder = tmp_path_factory.mktemp("exported") / "machine"
    ctm.export.to_onnx(model, samples, folder)
    loaded = ctm.runtime.load(folder, threads=1)
    assert_thinks_alike(loaded, model, samples)
    assert_stops_alike(loaded, model, samples, rule)
