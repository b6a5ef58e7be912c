from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.tasks import Batch, DataError, TaskConfig
from ctm.tasks.in_memory import InMemoryTask


@dataclass(frozen=True)
class Numbers(TaskConfig):
    """Samples are their own numbers; targets the same, negative."""

    def build(self):
        return NumbersTask(self, samples(10), samples(2, 50), samples(4, 100))


class NumbersTask(InMemoryTask):
    """Which number is it?"""

    def inputs(self, stored):
        return stored.float() + 0.5

    read = format_answer = animate = figures = None


def samples(count, first=0):
    numbers = torch.arange(first, first + count)
    return Batch(numbers, -numbers)


def task_of(train, test=3, **arguments):
    return NumbersTask(Numbers(), samples(train), samples(2, 50), samples(test, 100), **arguments)


@given(count=st.integers(1, 12), size=st.integers(1, 20), seed=st.integers(0, 5))
def test_every_sample_once_an_epoch(count, size, seed):
    """Whatever the batch size, also where a batch begins in one epoch and ends in another."""
    task = task_of(count)
    stream = torch.cat([task.batch(seed, iteration, size).targets for iteration in range(3 * count)])
    for epoch in range(len(stream) // count):
        visited = stream[epoch * count : (epoch + 1) * count]
        assert sorted((-visited).tolist()) == list(range(count))


@given(count=st.integers(1, 12), size=st.integers(1, 20), iteration=st.integers(0, 50), seed=st.integers(0, 5))
def test_a_batch_is_a_function_of_seed_iteration_and_size(count, size, iteration, seed):
    task = task_of(count)
    first = task.batch(seed, iteration, size)
    task.batch(seed + 1, iteration + 3, size)
    torch.manual_seed(iteration)
    again = task_of(count).batch(seed, iteration, size)
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert len(first.inputs) == len(first.targets) == size


def test_inputs_belong_to_their_targets_as_the_model_sees_them():
    batch = task_of(10).batch(0, 0, 10)
    assert torch.equal(batch.inputs, -batch.targets + 0.5)


def test_orders_differ_between_seeds_and_epochs():
    task = task_of(50)
    orders = [task.batch(seed, epoch, 50).targets.tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order) for order in orders}) == 4


@given(test=st.integers(1, 10), size=st.integers(1, 12))
def test_evaluation_is_all_of_the_test_samples_in_order(test, size):
    task = task_of(5, test)
    batches = list(task.evaluation("test", size))
    assert [len(batch.inputs) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert torch.cat([batch.targets for batch in batches]).tolist() == [-number for number in range(100, 100 + test)]
    assert torch.equal(batches[0].inputs, -batches[0].targets + 0.5)


@pytest.mark.parametrize(("train", "share"), [(10, 4), (10, 10), (3, 10)])
def test_evaluation_of_training_is_a_fixed_sample(train, share):
    first, again = (
        torch.cat([batch.targets for batch in task_of(train, train_sample=share).evaluation("train", 3)])
        for _ in range(2)
    )
    assert torch.equal(first, again)
    assert len(set(first.tolist())) == len(first) == min(train, share)


@given(test=st.integers(1, 6), data=st.data())
def test_a_sample_by_its_index(test, data):
    index = data.draw(st.integers(0, test - 1))
    sample = task_of(3, test).sample(index)
    assert sample.targets.tolist() == [-(100 + index)]
    assert sample.inputs.tolist() == [100.5 + index]


@pytest.mark.parametrize("index", [-1, 3, 1000])
def test_there_is_no_such_sample(index):
    with pytest.raises(DataError, match=f"index {index}: there are 3 test samples, 0 to 2"):
        task_of(5, 3).sample(index)


def test_a_sample_behind_the_first_thousand():
    assert task_of(5, 2500).sample(2100).targets.tolist() == [-2200]


@pytest.mark.parametrize(("train", "test"), [(0, 3), (3, 0)])
def test_no_split_is_empty(train, test):
    with pytest.raises(
        DataError, match=f"{train} samples to train on, 2 to validate and {test} to test on: expected at least one"
    ):
        task_of(train, test)
