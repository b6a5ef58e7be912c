"""The cores that stand in for neurons; the property tests of the machine and of the oracle draw them too."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import ctm
from ctm import ConfigError
from machines import perturbed

OBSERVED = 5


def after(core, observations, batch):
    """The states of a core after each of some observations."""
    states, prepared = [core.start(batch)], core.prepare(len(observations))
    for observation in observations:
        states.append(core.step(states[-1], observation, prepared))
    return states


@given(layers=st.integers(1, 3), batch=st.integers(1, 3), ticks=st.integers(1, 5))
def test_an_lstm_is_torchs(layers, batch, ticks):
    """Over a whole sequence, from the learned start, with the gradient of every parameter."""
    core = perturbed(ctm.LSTMCore.Config(neurons=7, layers=layers).build(OBSERVED)).double()
    seen = torch.randn(ticks, batch, OBSERVED, dtype=torch.float64)
    states = after(core, seen, batch)
    start = tuple(part.unsqueeze(1).expand(-1, batch, -1).contiguous() for part in (core.start_hidden, core.start_cell))
    outputs, (hidden, cell) = core.lstm(seen, start)
    torch.testing.assert_close(torch.stack([state.post_activations for state in states[1:]]), outputs)
    torch.testing.assert_close(states[-1].hidden.transpose(0, 1), hidden)
    torch.testing.assert_close(states[-1].cell.transpose(0, 1), cell)
    mine = torch.autograd.grad((states[-1].cell.sum() + states[-1].hidden.square().sum()), list(core.parameters()))
    theirs = torch.autograd.grad((cell.sum() + hidden.square().sum()), list(core.parameters()))
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_a_joined_lstm_sees_what_it_said():
    """Its first input is the learned start, and its states begin at nothing."""
    core = perturbed(ctm.LSTMCore.Config(neurons=4, layers=2, joined=True).build(OBSERVED))
    seen = torch.randn(2, 3, OBSERVED)
    first, second = after(core, seen, batch=3)[1:]
    joined = torch.cat([seen[0], core.start_post_activations.expand(3, -1)], dim=1)
    output, state = core.lstm(joined.unsqueeze(0))
    torch.testing.assert_close(first.post_activations, output[0])
    output, _ = core.lstm(torch.cat([seen[1], output[0]], dim=1).unsqueeze(0), state)
    torch.testing.assert_close(second.post_activations, output[0])


def test_the_learned_starts_of_an_lstm_are_small():
    core = ctm.LSTMCore.Config(neurons=400, layers=2).build(OBSERVED)
    for start in (core.start_hidden, core.start_cell):
        assert start.shape == (2, 400)
        assert 0.045 < start.abs().max() <= 0.05
    state = core.start(3)
    assert torch.equal(state.post_activations, core.start_hidden[-1].expand(3, -1))


def test_synapses_alone_say_what_is_thought():
    core = perturbed(ctm.SynapseCore.Config(6, ctm.SynapseUNet.Config(levels=2, bottleneck=3)).build(OBSERVED))
    seen = torch.randn(2, 3, OBSERVED)
    first, second = after(core, seen, batch=3)[1:]
    connect = core.synapses.prepare()
    z = connect(torch.cat([seen[0], core.start_post_activations.expand(3, -1)], dim=1))
    torch.testing.assert_close(first.post_activations, z)
    torch.testing.assert_close(second.post_activations, connect(torch.cat([seen[1], z], dim=1)))


@pytest.mark.parametrize(("activation", "gate"), [("relu", nn.ReLU()), ("glu", nn.GLU())])
def test_a_feed_forward_layer_remembers_nothing(activation, gate):
    core = ctm.FeedForwardCore.Config(6, activation).build(OBSERVED)
    seen = torch.randn(3, OBSERVED)
    states = after(core, [seen, torch.randn(3, OBSERVED), seen], batch=3)
    assert not states[0].post_activations.any()
    torch.testing.assert_close(states[1].post_activations, gate(core.layers[0](seen)))
    assert torch.equal(states[3].post_activations, states[1].post_activations)


def test_a_feed_forward_layer_drops_only_in_training():
    core = ctm.FeedForwardCore.Config(400, dropout=0.5).build(OBSERVED)
    seen = torch.randn(1, OBSERVED)
    dropped = (after(core, [seen], batch=1)[1].post_activations == 0).float().mean()
    core.eval()
    kept = (after(core, [seen], batch=1)[1].post_activations == 0).float().mean()
    assert kept + 0.15 < dropped


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ctm.LSTMCore.Config(0), "neurons = 0: expected at least 1"),
        (lambda: ctm.LSTMCore.Config(4, layers=0), "layers = 0: expected at least 1"),
        (lambda: ctm.SynapseCore.Config(0, ctm.SynapseMLP.Config()), "neurons = 0: expected at least 1"),
        (lambda: ctm.FeedForwardCore.Config(0), "neurons = 0: expected at least 1"),
        (lambda: ctm.FeedForwardCore.Config(4, dropout=1.0), "dropout = 1.0: expected 0 <= dropout < 1"),
    ],
)
def test_values_that_cannot_work(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_memory_and_time_of_an_endless_lstm_stay_the_same():
    model = ctm.preset("parity/quick-lstm").model.build().eval()
    with torch.no_grad():
        prepared, state = model.prepare(torch.ones(1, 9)), model.start(1)
        size = None
        for _ in range(50):
            state, _ = model.step(state, prepared)
            size = size or state.core.hidden.numel()
            assert state.core.hidden.numel() == state.core.cell.numel() == size
        torch.testing.assert_close(state.output, model(torch.ones(1, 9), ticks=50).state.output)
