import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ctm
from ctm import ConfigError, Dense, WindowedSynchronization
from ctm.randomness import generator
from ctm.windowed import MAXIMUM_DECAY
from machines import pairings

NEURONS = 12


def built(pairing, window, neurons=NEURONS):
    return WindowedSynchronization.Config(pairing, window).build(neurons, "output", generator(0)).double()


def after(representation, history):
    """The state when z was each of `history`, (T, B, D), in turn."""
    state = representation.start(history[0])
    for z in history[1:]:
        state = representation.step(state, z, representation.prepare())
    return state


def by_hand(whole, left, right, decay):
    """From all post-activations that the window can hold, (M, D) of one sample, oldest first; pair by pair."""
    found = []
    for i, j, rate in zip(left, right, decay, strict=True):
        weights = [math.exp(-rate * age) for age in reversed(range(len(whole)))]
        products = [z[i] * z[j] for z in whole.tolist()]
        found.append(sum(w * p for w, p in zip(weights, products, strict=True)) / math.sqrt(sum(weights)))
    return torch.tensor(found, dtype=torch.float64)


@given(pairing=pairings(), window=st.integers(1, 6), ticks=st.integers(1, 9), batch=st.integers(1, 2))
def test_only_the_last_ticks_count(pairing, window, ticks, batch):
    """Those before the first are learned."""
    representation = built(pairing, window)
    with torch.no_grad():
        representation.decay.copy_(3 * torch.rand(pairing.count))
    history = torch.randn(ticks, batch, NEURONS, dtype=torch.float64)
    read = representation.read(after(representation, history))
    learned = representation.start_window.detach().t()  # (M - 1, D)
    for sample in range(batch):
        whole = torch.cat([learned, history[:, sample]])[-window:]
        pairs = representation.left.tolist(), representation.right.tolist()
        torch.testing.assert_close(read[sample], by_hand(whole, *pairs, representation.decay.tolist()))


def test_a_window_as_long_as_all_that_was_is_the_recursion():
    """Once nothing learned is left in it."""
    windowed = built(Dense(3), window=5)
    whole = ctm.Synchronization.Config(Dense(3)).build(NEURONS, "output", generator(0)).double()
    with torch.no_grad():
        windowed.decay.copy_(torch.rand(6))
        whole.decay.copy_(windowed.decay)
    history = torch.randn(5, 2, NEURONS, dtype=torch.float64)
    state = whole.start(history[0])
    for z in history[1:]:
        state = whole.step(state, z, whole.prepare())
    torch.testing.assert_close(windowed.read(after(windowed, history)), whole.read(state))


def test_gradients_are_right():
    representation = built(Dense(3), window=4, neurons=5)
    history = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True)

    def read(history, decay, window):
        representation.decay, representation.start_window = decay, window
        return representation.read(after(representation, history))

    decay = torch.rand(6, dtype=torch.float64).add(0.1).requires_grad_()
    window = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    del representation.decay, representation.start_window
    assert torch.autograd.gradcheck(read, (history, decay, window))


@pytest.mark.parametrize(("rate", "bound"), [(100.0, MAXIMUM_DECAY), (-1.0, 0.0)])
def test_decays_are_kept_between_bounds_and_come_back(rate, bound):
    representation, other = built(Dense(2), window=3), built(Dense(2), window=3)
    other.load_state_dict(representation.state_dict())
    torch.nn.init.constant_(representation.decay, rate)
    torch.nn.init.constant_(other.decay, bound)
    history = torch.randn(3, 4, NEURONS, dtype=torch.float64)
    read = representation.read(after(representation, history))
    torch.testing.assert_close(read, other.read(after(other, history)))
    assert representation.decay.unique().tolist() == [rate]
    moved = torch.zeros(3)
    for sign in (1, -1):
        mine, theirs = (
            torch.autograd.grad(sign * part.read(after(part, history)).sum(), part.decay)[0]
            for part in (representation, other)
        )
        torch.testing.assert_close(mine, torch.where(theirs.sign() == math.copysign(1, rate), theirs, 0))
        moved += mine != 0
    assert moved.tolist() == [1] * 3  # of each, the gradient that leads back


def test_half_precision_is_read_in_single():
    representation = WindowedSynchronization.Config(Dense(2), 3).build(NEURONS, "output", generator(0))
    state = representation.start(torch.randn(2, NEURONS, dtype=torch.bfloat16))
    state = representation.step(state, torch.randn(2, NEURONS, dtype=torch.bfloat16), None)
    assert state.dtype == representation.read(state).dtype == torch.float32


def test_an_endless_window_stays_as_large_and_as_exact():
    representation = built(Dense(3), window=4)
    history = torch.randn(300, 1, NEURONS, dtype=torch.float64)
    late, state = after(representation, history), after(representation, history[-4:])
    assert late.shape == (1, 6, 4)
    torch.testing.assert_close(late, state, rtol=0, atol=0)


def test_learned_windows_are_small():
    window = WindowedSynchronization.Config(Dense(2), 101).build(300, "output", generator(0)).start_window
    assert window.shape == (300, 100)
    assert 0.049 < window.abs().max() <= 401**-0.5


def test_sizes_and_wrong_windows():
    config = WindowedSynchronization.Config(Dense(4), 7)
    assert (config.size(NEURONS), config.exclusive_neurons) == (10, 4)
    assert ctm.RepresentationConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="window = 0: expected at least 1"):
        WindowedSynchronization.Config(Dense(4), 0)
