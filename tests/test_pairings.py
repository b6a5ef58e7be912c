import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm import ConfigError, Dense, RandomPairs, SemiDense
from ctm.pairings import Pairing, upper_triangle
from ctm.randomness import generator
from machines import pairings


def drawn(pairing, neurons, role, seed=0):
    """The pairs as a list of tuples."""
    left, right = pairing.draw(neurons, role, generator(seed))
    return list(zip(left.tolist(), right.tolist(), strict=True))


@given(pairing=pairings(), neurons=st.integers(5, 20), role=st.sampled_from(["action", "output"]))
def test_as_many_pairs_as_counted_of_neurons_that_exist(pairing, neurons, role):
    left, right = pairing.draw(neurons, role, generator(0))
    assert left.shape == right.shape == (pairing.count,)
    assert left.dtype == right.dtype == torch.int64
    assert 0 <= min(left.min(), right.min()) <= max(left.max(), right.max()) < neurons


@given(pairing=pairings(), seed=st.integers(0, 9))
def test_the_generator_decides(pairing, seed):
    torch.manual_seed(seed)
    before = torch.random.get_rng_state()
    assert drawn(pairing, 20, "output", seed) == drawn(pairing, 20, "output", seed)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_other_seeds_draw_other_pairs():
    for pairing in (SemiDense(8), RandomPairs(30)):
        assert drawn(pairing, 100, "output", 0) != drawn(pairing, 100, "output", 1)


@pytest.mark.parametrize(
    ("pairing", "count"),
    [
        (Dense(32), 528),  # mazes, action
        (Dense(64), 2080),  # mazes, output
        (SemiDense(32), 528),  # parity
        (SemiDense(1), 1),
        (RandomPairs(2048, self_pairs=32), 2048),  # ImageNet, action
        (RandomPairs(8196, self_pairs=32), 8196),  # ImageNet, output
    ],
    ids=str,
)
def test_published_sizes(pairing, count):
    assert pairing.count == count == len(drawn(pairing, 4096, "output"))


def test_the_triangle_goes_row_by_row():
    left, right = upper_triangle(torch.tensor([10, 11, 12]), torch.tensor([20, 21, 22]))
    assert left.tolist() == [10, 10, 10, 11, 11, 12]
    assert right.tolist() == [20, 21, 22, 21, 22, 22]


def test_dense_takes_the_first_for_the_output_and_the_last_for_action():
    assert drawn(Dense(3), 10, "output") == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    assert drawn(Dense(2), 10, "action") == [(8, 8), (8, 9), (9, 9)]


@given(action=st.integers(1, 6), output=st.integers(1, 6), spare=st.integers(0, 3))
def test_dense_pairings_never_share_a_neuron(action, output, spare):
    neurons = Dense(action).exclusive_neurons + Dense(output).exclusive_neurons + spare
    looking = {neuron for pair in drawn(Dense(action), neurons, "action") for neuron in pair}
    answering = {neuron for pair in drawn(Dense(output), neurons, "output") for neuron in pair}
    assert (len(looking), len(answering)) == (action, output)
    assert not looking & answering


@given(neurons=st.integers(2, 6), seed=st.integers(0, 9))
def test_semi_dense_is_the_triangle_of_two_lists(neurons, seed):
    source = generator(seed)
    left = torch.randint(50, (neurons,), generator=source).tolist()
    right = torch.randint(50, (neurons,), generator=source).tolist()
    expected = [(left[i], right[j]) for i in range(neurons) for j in range(i, neurons)]
    assert drawn(SemiDense(neurons), 50, "action", seed) == expected


def test_semi_dense_draws_with_replacement():
    assert len({left for left, _ in drawn(SemiDense(10), 3, "output")}) <= 3


@given(pairs=st.integers(1, 20), data=st.data())
def test_the_first_random_pairs_are_self_pairs(pairs, data):
    own = data.draw(st.integers(0, pairs))
    found = drawn(RandomPairs(pairs, self_pairs=own), 10_000_000, "output")
    assert [left == right for left, right in found] == [True] * own + [False] * (pairs - own)


def test_only_dense_claims_neurons():
    assert [p.exclusive_neurons for p in (Dense(7), SemiDense(7), RandomPairs(7))] == [7, 0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(0), "neurons = 0: expected at least 1"),
        (lambda: SemiDense(0), "neurons = 0: expected at least 1"),
        (lambda: RandomPairs(0), "pairs = 0: expected at least 1"),
        (lambda: RandomPairs(3, self_pairs=4), "self_pairs = 4: expected 0 to pairs = 3"),
        (lambda: RandomPairs(3, self_pairs=-1), "self_pairs = -1: expected 0 to pairs = 3"),
    ],
)
def test_impossible_pairings_are_refused(make, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        make()


def test_kinds():
    assert Pairing.from_dict({"kind": "random", "pairs": 5}) == RandomPairs(5)
    assert Pairing.from_dict({"kind": "semi_dense", "neurons": 5}) == SemiDense(5)
    assert Pairing.from_dict({"kind": "dense", "neurons": 5}) == Dense(5)
