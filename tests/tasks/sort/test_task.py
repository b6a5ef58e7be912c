import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ctm
from ctm import ConfigError, DataError
from ctm.tasks.sort import Sort
from ctm.tasks.sort.emissions import emissions
from ctm.testing import check_task
from ctm.thoughts import Thoughts
from ctm.training import evaluate
from ctm.training.halting import evaluate_until, score_ticks


def said(*sequences, classes=5):
    """Logits whose likeliest class at each tick is the given one."""
    return torch.nn.functional.one_hot(torch.tensor(sequences), classes).float()


def literal(sequence, blank):
    """What is emitted, and when: one tick after the other."""
    found, before = [], blank
    for tick, symbol in enumerate(sequence, start=1):
        if symbol not in (blank, before):
            found.append((symbol, tick))
        before = symbol
    return found


@given(
    sequences=st.integers(1, 12).flatmap(
        lambda ticks: st.lists(st.lists(st.integers(0, 3), min_size=ticks, max_size=ticks), min_size=1, max_size=5)
    ),
    length=st.integers(1, 6),
)
def test_decoding_is_the_literal_one(sequences, length):
    found = emissions(said(*sequences, classes=4), length)
    for row, sequence in enumerate(sequences):
        expected = literal(sequence, blank=3)
        assert found.count[row] == len(expected)
        padded = (expected + [(3, 0)] * length)[:length]
        assert found.classes[row].tolist() == [symbol for symbol, _ in padded]
        assert found.ticks[row].tolist() == [tick for _, tick in padded]
        kept = [0, *(tick for _, tick in expected[:length])]
        waits = [later - earlier for earlier, later in zip(kept, kept[1:], strict=False)]
        assert found.waits[row].tolist() == (waits + [0] * length)[:length]


def test_a_blank_separates_repetitions():
    found = emissions(said([4, 1, 1, 4, 1, 2], [0, 0, 0, 0, 0, 0]), 3)
    assert found.classes.tolist() == [[1, 1, 2], [0, 4, 4]]
    assert found.ticks.tolist() == [[2, 5, 6], [1, 0, 0]]
    assert found.waits.tolist() == [[2, 3, 1], [1, 0, 0]]


@given(numbers=st.integers(2, 12), size=st.integers(1, 6), iteration=st.integers(0, 9), seed=st.integers(0, 9))
def test_batches_are_numbers_with_their_order(numbers, size, iteration, seed):
    task = Sort.Config(numbers=numbers).build()
    inputs, targets = task.batch(seed, iteration, size)
    assert inputs.shape == targets.shape == (size, numbers)
    for row, order in zip(inputs.tolist(), targets.tolist(), strict=True):
        assert [row[place] for place in order] == sorted(row)
    assert torch.equal(inputs, Sort.Config(numbers=numbers).build().batch(seed, iteration, size).inputs)


def test_numbers_are_standard_normal_and_fresh():
    task = Sort.Config().build()
    first, later, other = (task.batch(seed, iteration, 500).inputs for seed, iteration in ((0, 0), (0, 1), (1, 0)))
    assert not torch.equal(first, later)
    assert not torch.equal(first, other)
    assert abs(float(first.mean())) < 0.04  # of 15,000
    assert abs(float(first.std()) - 1) < 0.03


def test_evaluation_is_fixed_and_of_its_own():
    task = Sort.Config(numbers=4, evaluation_samples=50).build()

    def evaluated(split, size):
        return torch.cat([batch.inputs for batch in task.evaluation(split, size)])

    assert [len(batch.inputs) for batch in task.evaluation("test", 20)] == [20, 20, 10]
    assert torch.equal(evaluated("test", 20), evaluated("test", 7))
    assert not torch.equal(evaluated("test", 20), evaluated("train", 20))
    assert not torch.equal(evaluated("test", 50), task.batch(0, 0, 50).inputs)


def test_scores():
    logits = said(
        [4, 3, 4, 0, 1, 2],  # all right, the last one at tick 6
        [3, 0, 1, 2, 3, 4],  # right, and then too much
        [3, 3, 0, 2, 4, 4],  # 3 0 2
        [4, 4, 4, 4, 4, 4],  # nothing
    )
    targets = torch.tensor([[3, 0, 1, 2]] * 4)
    scores = Sort.Config(numbers=4).build().scores(Thoughts(logits, torch.zeros(4, 6), None), targets)
    assert {name: score.tolist() for name, score in scores.items()} == {
        "accuracy": [1, 1, 0.5, 0],
        "whole_accuracy": [1, 0, 0, 0],
        "emitted": [4, 5, 3, 0],
        "ticks": [6, 4, 6, 6],
        "wait": [1.5, 1, pytest.approx(4 / 3), 6],
    }


def test_a_certain_right_answer_costs_nothing():
    task = Sort.Config(numbers=4).build()
    targets = torch.tensor([[3, 0, 1, 2]])
    right, wrong = (
        Thoughts(50 * said(order), torch.zeros(1, 6), None) for order in ([4, 3, 4, 0, 1, 2], [4, 3, 4, 1, 0, 2])
    )
    assert float(task.loss(right, targets)) < 1e-6
    assert float(task.loss(wrong, targets)) > 5
    assert task.answer(right).tolist() == targets.tolist()


@pytest.mark.parametrize("text", ["0.5 -1 2e1", "0.5, -1, 20", " .5,-1\n\n20 ", "+0.5\t-1.0 20"])
def test_numbers_are_read(text, tmp_path):
    task, path = Sort.Config(numbers=3).build(), tmp_path / "numbers.txt"
    path.write_text(text)
    assert task.parse(text).tolist() == task.read(path).tolist() == [[0.5, -1.0, 20.0]]
    assert task.parse(text).dtype == torch.float32


def test_equal_numbers_are_read():
    assert Sort.Config(numbers=3).build().parse("1 1 1").tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'': 0 numbers; expected 3"),
        ("1 2", "'1 2': 2 numbers; expected 3"),
        ("1 2 3 4", "'1 2 3 4': 4 numbers; expected 3"),
        ("1 2 x", "'1 2 x': expected numbers, with spaces or commas between them"),
        ("1 2 nan", "'1 2 nan': expected finite numbers"),
        ("1 -inf 3", "'1 -inf 3': expected finite numbers"),
        ("1 2 1e300", "'1 2 1e300': expected finite numbers"),
        ("1;2;3", "'1;2;3': expected numbers"),
        ("word " * 1000, "'word word word word word word word word …': expected numbers"),
    ],
)
def test_nonsense_is_refused(text, message, tmp_path):
    task, path = Sort.Config(numbers=3).build(), tmp_path / "numbers.txt"
    with pytest.raises(DataError) as caught:
        task.parse(text)
    assert str(caught.value).startswith(message)
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        task.read(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=8))
def test_what_python_writes_is_read_back(numbers):
    task = Sort.Config(numbers=len(numbers)).build()
    assert task.parse(" ".join(map(repr, numbers))).tolist() == [numbers]


def test_an_answer_is_spelt_and_commented():
    task, numbers = Sort.Config(numbers=4).build(), torch.tensor([[0.5, 1.25, 1.25, -1]])

    def comment(*symbols):
        return task.comment(Thoughts(said(symbols), torch.zeros(1, 6), None), numbers)

    assert task.format_answer(torch.tensor([3, 0, 4, 4])) == "4 1 - - (places in the list, counted from 1)"
    expected = "sorted: -1 0.5 1.25 1.25 (in order)\nsaid: 4 of 4 numbers, the last one at tick 6 of 6"
    assert comment(4, 3, 4, 0, 1, 2) == comment(3, 3, 4, 0, 2, 1) == expected  # equal numbers, in either order
    assert comment(3, 0, 1, 2, 3, 4).startswith("sorted: -1 0.5 1.25 1.25 (wrong, should be -1 0.5 1.25 1.25)\nsaid: 5")
    assert comment(3, 0, 1, 4, 1, 4).startswith("sorted: -1 0.5 1.25 1.25 (wrong")  # one of the equal ones twice
    assert comment(0, 3, 1, 4, 4, 4).startswith("sorted: 0.5 -1 1.25 (wrong, should be -1 0.5 1.25 1.25)\nsaid: 3 of 4")
    assert comment(4, 4, 4, 4, 4, 4).endswith("said: 0 of 4 numbers")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numbers": 1}, "numbers = 1: expected at least 2"),
        ({"evaluation_samples": 0}, "evaluation_samples = 0: expected at least 1"),
    ],
)
def test_impossible_tasks_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        Sort.Config(**change)


@pytest.mark.parametrize(
    ("task", "model", "training", "message"),
    [
        ({"numbers": 9}, {}, {}, "model.readout = .*'classes': 9, .*needs classes: 10, "),
        (
            {"numbers": 9},
            {"readout": ctm.ClassReadout.Config(10)},
            {},
            "model.backbone = {.*'channels': 8, .*needs {.*'channels': 9, 'dimensions': 0}",
        ),
        ({}, {"ticks": 7}, {}, "ticks = 7: expected at least 8, one for each number"),
        ({}, {}, {"least_ticks": 7}, "ticks = 7: expected at least 8, one for each number"),
    ],
)
def test_machines_that_cannot_sort_are_refused(task, model, training, message):
    quick = ctm.preset("sort/quick")
    with pytest.raises(ConfigError, match=message):
        quick.replace(
            task=quick.task.replace(**task),
            model=quick.model.replace(**model),
            training=quick.training.replace(**training),
        )


def test_no_certainty_ends_a_thought():
    task, model = Sort.Config(numbers=8, evaluation_samples=4).build(), ctm.build("sort/quick")
    with pytest.raises(ConfigError, match="the task 'sort' emits its answer over ticks"):
        evaluate_until(model, task, "test", 0.8)
    with pytest.raises(ConfigError, match="evaluate it to the end"):
        score_ticks(model, task, "test")
    assert math.isfinite(evaluate(model, task, "test")["loss"])


def test_training_and_evaluation_can_use_it():
    check_task(Sort.Config(numbers=4))
