import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from ctm import Dense, NoRepresentation, RandomPairs, SemiDense, Snapshot, Synchronization
from ctm.randomness import generator
from ctm.synchronization import MAXIMUM_DECAY, add_rows, within_bounds
from machines import pairings

NEURONS = 12


def built(pairing, neurons=NEURONS, role="output"):
    return Synchronization.Config(pairing).build(neurons, role, generator(0))


def after(representation, history):
    """The state when z was each of `history`, (T, B, D), in turn."""
    prepared = representation.prepare()
    state = representation.start(history[0])
    for z in history[1:]:
        state = representation.step(state, z, prepared)
    return state


def equation_10(history, left, right, decay):
    """S_ij = Z_i^T diag(R_ij) Z_j / sqrt(sum R_ij) from the whole history, sample by sample and pair by pair."""
    ticks, batch, _ = history.shape
    result = torch.zeros(batch, len(decay), dtype=history.dtype)
    for pair, rate in enumerate(decay.tolist()):
        weights = [math.exp(-rate * (ticks - 1 - tick)) for tick in range(ticks)]
        for sample in range(batch):
            products = history[:, sample, left[pair]] * history[:, sample, right[pair]]
            total = sum(w * p for w, p in zip(weights, products.tolist(), strict=True))
            result[sample, pair] = total / math.sqrt(sum(weights))
    return result


@given(pairing=pairings(), ticks=st.integers(1, 6), batch=st.integers(1, 2), seed=st.integers(0, 9))
def test_the_recursion_is_equation_10(pairing, ticks, batch, seed):
    source = torch.Generator().manual_seed(seed)
    representation = built(pairing).double()
    with torch.no_grad():
        representation.decay.copy_(3 * torch.rand(pairing.count, generator=source))
    history = torch.randn(ticks, batch, NEURONS, generator=source, dtype=torch.float64)
    read = representation.read(after(representation, history))
    decay = representation.decay.detach()
    torch.testing.assert_close(read, equation_10(history, representation.left, representation.right, decay))


def test_without_decay_all_ticks_count_alike():
    representation = built(Dense(3))
    assert torch.equal(representation.decay, torch.zeros(6))
    history = torch.randn(5, 2, NEURONS)
    sums = torch.stack([(z[:, representation.left] * z[:, representation.right]) for z in history]).sum(0)
    torch.testing.assert_close(representation.read(after(representation, history)), sums / math.sqrt(5))


def test_the_greatest_decay_forgets_all_but_the_present():
    representation = built(SemiDense(3))
    nn.init.constant_(representation.decay, 100.0)
    history = torch.randn(4, 2, NEURONS)
    present = history[-1][:, representation.left] * history[-1][:, representation.right]
    torch.testing.assert_close(representation.read(after(representation, history)), present, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(representation.prepare(), torch.full((6,), math.exp(-MAXIMUM_DECAY)))


def test_a_self_pair_that_forgets_is_the_square_of_the_present():
    representation = built(RandomPairs(4, self_pairs=4))
    nn.init.constant_(representation.decay, MAXIMUM_DECAY)
    history = torch.randn(3, 2, NEURONS)
    read = representation.read(after(representation, history))
    torch.testing.assert_close(read, history[-1][:, representation.left] ** 2, atol=1e-5, rtol=1e-4)


def test_the_normaliser_does_not_depend_on_the_data():
    state = after(built(Dense(3)), torch.randn(4, 5, NEURONS))
    assert state.normaliser.shape == (1, 6)
    torch.testing.assert_close(state.normaliser, torch.full((1, 6), 4.0))


def test_pairs_are_buffers_and_decays_are_learned():
    representation = built(SemiDense(3))
    assert dict(representation.named_parameters()).keys() == {"decay"}
    assert dict(representation.named_buffers()).keys() == {"left", "right"}
    assert representation.state_dict().keys() == {"decay", "left", "right"}


def test_preparing_leaves_the_decays_alone():
    representation = built(Dense(2))
    nn.init.constant_(representation.decay, -1.0)
    assert representation.prepare().tolist() == [1.0] * 3
    assert representation.decay.tolist() == [-1.0] * 3


@pytest.mark.parametrize(
    ("value", "gradient", "passes"),
    [
        (-1.0, 2.0, False),  # descent would go further down
        (-1.0, -2.0, True),
        (0.0, 2.0, True),
        (0.0, -2.0, True),
        (7.0, 2.0, True),
        (15.0, -2.0, True),
        (16.0, 2.0, True),
        (16.0, -2.0, False),  # descent would go further up
    ],
)
def test_gradients_pass_unless_they_lead_out_of_bounds(value, gradient, passes):
    x = torch.tensor([value], requires_grad=True)
    bounded = within_bounds(x, 0.0, 15.0)
    assert bounded.item() == min(max(value, 0.0), 15.0)
    bounded.backward(torch.tensor([gradient]))
    assert x.grad.item() == (gradient if passes else 0.0)


@pytest.mark.parametrize("optimizer", [lambda p: torch.optim.SGD(p, 0.1), lambda p: torch.optim.Adam(p, 0.1)])
def test_a_decay_comes_back_from_below_zero(optimizer):
    """A plain clamp would hold it there for ever, with no gradient at all."""
    representation = built(Dense(1))
    steps = optimizer(representation.parameters())

    def learn(factor, times):
        for _ in range(times):
            steps.zero_grad()
            (representation.prepare() - factor).square().sum().backward()
            steps.step()

    learn(2.0, 30)  # no decay can amplify: pushes below zero
    below = representation.decay.item()
    assert below < 0
    learn(2.0, 200)
    assert representation.decay.item() > below - 2  # and does not run away
    learn(0.5, 300)
    assert representation.decay.item() == pytest.approx(math.log(2), abs=0.02)


class Called(TorchDispatchMode):
    """Remembers what is called."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_gradients_are_added_in_one_order_on_every_device(device):
    """On a CPU by `index_add`; it has no order on a GPU, for which a device without values stands here."""
    representation = built(SemiDense(3)).to(device)
    z = torch.randn(2, NEURONS, device=device, requires_grad=True)
    with Called() as called:
        representation.read(representation.start(z)).sum().backward()
    ordered, unordered = ("index_add", "index_put") if device == "cpu" else ("index_put", "index_add")
    assert ordered in called.names
    assert not {unordered, f"{unordered}_", "scatter_add"} & set(called.names)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_rows_are_added(device):
    """By either function."""
    rows, index, total = torch.randn(7, 2), torch.tensor([1, 1, 0, 2, 1, 0, 1]), torch.randn(4, 2)
    expected = total.clone()
    for place, row in zip(index, rows, strict=True):
        expected[place] += row
    torch.testing.assert_close(add_rows(total, index, rows, torch.device(device)), expected)


def test_gradients_of_the_decays_are_right():
    history = torch.randn(4, 2, 5, dtype=torch.float64)
    representation = built(Dense(3), neurons=5).double()

    def read(decay):
        representation.prepare = lambda: torch.exp(-within_bounds(decay, 0.0, MAXIMUM_DECAY))
        return representation.read(after(representation, history))

    decay = torch.rand(6, dtype=torch.float64).add(0.1).requires_grad_()
    assert torch.autograd.gradcheck(read, (decay,))


def test_a_snapshot_is_the_present_itself():
    representation = Snapshot.Config().build(NEURONS, "action", generator(0))
    history = torch.randn(3, 2, NEURONS)
    assert representation.read(after(representation, history)) is not None
    assert torch.equal(representation.read(after(representation, history)), history[-1])
    assert Snapshot.Config().size(NEURONS) == NEURONS
    assert not list(representation.parameters())


def test_no_representation_reads_nothing():
    representation = NoRepresentation.Config().build(NEURONS, "action", generator(0))
    assert representation.read(after(representation, torch.randn(3, 2, NEURONS))) is None
    assert NoRepresentation.Config().size(NEURONS) == 0


def test_sizes_and_claims():
    assert Synchronization.Config(Dense(4)).size(NEURONS) == 10
    assert Synchronization.Config(Dense(4)).exclusive_neurons == 4
    assert Synchronization.Config(SemiDense(4)).exclusive_neurons == 0
    assert Snapshot.Config().exclusive_neurons == 0
