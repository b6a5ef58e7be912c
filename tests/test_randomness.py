import subprocess
import sys

import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.randomness import generator, seed_from, shuffled

keys = st.lists(st.one_of(st.integers(-(2**70), 2**70), st.text(max_size=5)), max_size=3)


@given(key=keys, other=keys)
def test_seeds_are_functions_of_the_key(key, other):
    assert seed_from(*key) == seed_from(*key)
    assert 0 <= seed_from(*key) < 2**63
    assert (seed_from(*key) == seed_from(*other)) == (key == other)


def test_seeds_are_the_same_in_every_process():
    program = "from ctm.randomness import seed_from; print(seed_from(3, 'batch', 500))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) == seed_from(3, "batch", 500) == 4572559644306125320


def test_a_number_and_its_name_are_different_keys():
    assert seed_from(1) != seed_from("1")
    assert seed_from("a", "b") != seed_from("ab")


def test_generators_leave_the_global_state_alone():
    before = torch.random.get_rng_state()
    first = torch.rand(5, generator=generator(1, "x"))
    assert torch.equal(first, torch.rand(5, generator=generator(1, "x")))
    assert not torch.equal(first, torch.rand(5, generator=generator(2, "x")))
    assert torch.equal(torch.random.get_rng_state(), before)


@given(length=st.integers(1, 12), seed=st.integers(0, 5), epochs=st.integers(1, 3), size=st.integers(1, 30))
def test_everything_is_visited_once_an_epoch(length, seed, epochs, size):
    total = length * epochs
    pieces = [shuffled(length, seed, start, min(size, total - start)) for start in range(0, total, size)]
    stream = torch.cat(pieces).tolist()
    for epoch in range(epochs):
        assert sorted(stream[epoch * length : (epoch + 1) * length]) == list(range(length))


@given(length=st.integers(1, 12), start=st.integers(0, 50), count=st.integers(1, 30))
def test_any_part_of_the_stream_can_be_had(length, start, count):
    whole = shuffled(length, 7, 0, start + count)
    assert torch.equal(shuffled(length, 7, start, count), whole[start:])


def test_orders_differ_between_epochs_and_seeds():
    first = shuffled(100, 0, 0, 100)
    assert not torch.equal(first, shuffled(100, 0, 100, 100))
    assert not torch.equal(first, shuffled(100, 1, 0, 100))


def test_a_stream_does_not_change_by_being_written_to():
    shuffled(10, 3, 0, 10).zero_()
    assert sorted(shuffled(10, 3, 0, 10).tolist()) == list(range(10))
