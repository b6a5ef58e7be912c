import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm import ConfigError, DataError
from ctm.tasks.parity import Parity
from ctm.tasks.parity.task import parities
from ctm.testing import check_task
from ctm.thoughts import Thoughts


def naive(signs):
    """Counts the -1 up to every position."""
    return [sum(sign == -1 for sign in signs[: position + 1]) % 2 for position in range(len(signs))]


@given(signs=st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=70))
def test_parity_counts_the_negative_signs_so_far(signs):
    assert parities(torch.tensor([signs])).tolist() == [naive(signs)]
    assert parities(torch.tensor(signs).float()).tolist() == naive(signs)


def test_all_sequences_of_three():
    for signs in itertools.product([1, -1], repeat=3):
        assert parities(torch.tensor(signs)).tolist() == naive(signs)


@given(length=st.integers(1, 12), size=st.integers(1, 8), iteration=st.integers(0, 9), seed=st.integers(0, 9))
def test_batches_are_signs_with_their_parities(length, size, iteration, seed):
    task = Parity.Config(length=length).build()
    batch = task.batch(seed, iteration, size)
    assert batch.inputs.shape == batch.targets.shape == (size, length)
    assert (batch.inputs.dtype, batch.targets.dtype) == (torch.float32, torch.int64)
    assert set(batch.inputs.unique().tolist()) <= {-1.0, 1.0}
    assert batch.targets.tolist() == [naive(signs) for signs in batch.inputs.tolist()]
    again = Parity.Config(length=length).build().batch(seed, iteration, size)
    assert torch.equal(batch.inputs, again.inputs)


def test_batches_differ_and_signs_are_even():
    task = Parity.Config(length=64).build()
    first, later, other = task.batch(0, 0, 500), task.batch(0, 1, 500), task.batch(1, 0, 500)
    assert not torch.equal(first.inputs, later.inputs)
    assert not torch.equal(first.inputs, other.inputs)
    assert first.inputs.mean().abs() < 0.03  # of 32,000 signs
    assert (first.targets.float().mean(0) - 0.5).abs().max() < 0.12


def test_evaluation_is_fixed_and_no_part_of_training():
    task = Parity.Config(length=20, evaluation_samples=50).build()

    def evaluated(split, size=16):
        return torch.cat([batch.inputs for batch in task.evaluation(split, size)])

    before = evaluated("test")
    rows = set(map(tuple, before.tolist()))
    for seed, iteration in itertools.product(range(5), range(20)):
        assert not rows & set(map(tuple, task.batch(seed, iteration, 50).inputs.tolist()))
    torch.manual_seed(99)
    assert torch.equal(evaluated("test"), before)
    assert torch.equal(evaluated("test", 7), before)
    assert before.shape == (50, 20)
    assert not torch.equal(evaluated("train"), before)


def test_evaluation_comes_in_batches():
    task = Parity.Config(length=3, evaluation_samples=10).build()
    batches = list(task.evaluation("test", 4))
    assert [len(batch.inputs) for batch in batches] == [4, 4, 2]
    for inputs, targets in batches:
        assert targets.tolist() == [naive(signs) for signs in inputs.tolist()]


def test_drawing_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    task = Parity.Config().build()
    task.batch(0, 0, 8)
    next(task.evaluation("test", 8))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("text", ["+-+-", " + - + -\n", "+-\n+-\n\n", "\t+-+-  "])
def test_a_text_of_signs_is_read(tmp_path, text):
    path = tmp_path / "signs.txt"
    path.write_text(text)
    signs = Parity.Config(length=4).build().read(path)
    assert signs.tolist() == [[1.0, -1.0, 1.0, -1.0]]
    assert signs.dtype == torch.float32


@pytest.mark.parametrize("text", ["", "+-+", "+-+-+", "+-+1", "hello", "+" * 1000])
def test_other_texts_are_refused(tmp_path, text):
    path = tmp_path / "signs.txt"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        Parity.Config(length=4).build().read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: '{text[:3]}")
    assert message.endswith("expected 4 signs, each + or -")
    assert len(message) < len(str(path)) + 100


def test_files_that_cannot_be_read_are_named(tmp_path):
    task, binary = Parity.Config(length=4).build(), tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\xfa\x00")
    for path in (tmp_path / "none.txt", tmp_path, binary):
        with pytest.raises(DataError, match="cannot be read") as caught:
            task.read(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_every_position_is_scored_at_the_most_certain_tick():
    logits = torch.tensor([[[[5.0, 0], [0, 5]], [[9, 0], [9, 0]]]])  # (1, 2, 2, 2): even and odd, then both even
    thoughts = Thoughts(logits, torch.tensor([[0.3, 0.6]]), None)
    scores = Parity.Config(length=2).build().scores(thoughts, torch.tensor([[0, 1]]))
    assert scores["accuracy_by_position"].tolist() == [[1, 0]]


def test_how_training_went_is_drawn_where_positions_were_scored():
    task, old = Parity.Config(length=2).build(), {"iteration": 0, "split": "validation", "accuracy": 0.5}
    assert not list(task.training_figures([old, {"iteration": 5, "loss": 0.1}]))
    new = [old | {"iteration": iteration, "accuracy_by_position": [1.0, 0.5]} for iteration in (10, 20)]
    ((name, figure),) = task.training_figures([*new, new[0] | {"split": "train"}])
    assert name == "learned"
    assert figure.axes[1].lines[0].get_xdata().tolist() == [10, 20]


def test_an_answer_is_spelt():
    assert Parity.Config(length=4).build().format_answer(torch.tensor([0, 1, 1, 0])) == "eooe (e even, o odd)"


@pytest.mark.parametrize("field", ["length", "evaluation_samples"])
def test_impossible_tasks_are_refused(field):
    with pytest.raises(ConfigError, match=f"^{field} = 0: expected at least 1$"):
        Parity.Config(**{field: 0})


def test_training_and_evaluation_can_use_it():
    check_task(Parity.Config(length=5))
