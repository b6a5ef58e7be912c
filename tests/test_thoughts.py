import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.thoughts import RULES, Record, Thoughts

THRESHOLD = 0.8


def thoughts_of(logits, certainty):
    return Thoughts(logits, certainty, state=None)


def mean(answers, weights):
    return sum(w * a for a, w in zip(answers, weights, strict=True)) / sum(weights)


def naive(rule, logits, certainty, threshold=THRESHOLD):
    """The answer at the last of the ticks of one sample: (T, *answer, C) and a list of T numbers."""
    if rule == "last":
        return logits[-1]
    if rule == "most_certain":
        return logits[max(range(len(certainty)), key=lambda tick: certainty[tick])]  # the first of equal ones
    if rule == "mean":
        return mean(logits, [1.0] * len(logits))
    if rule == "certainty_weighted":
        return mean(logits, certainty)
    first = next((tick for tick, sure in enumerate(certainty) if sure >= threshold), None)
    return logits[-1] if first is None else mean(logits[first:], [1.0] * (len(logits) - first))


@st.composite
def some_thoughts(draw):
    """Certainties on a coarse grid, so that ties and exact thresholds are common."""
    batch, ticks, classes = draw(st.integers(1, 3)), draw(st.integers(1, 6)), draw(st.integers(2, 3))
    answer = draw(st.sampled_from([(), (2,), (2, 3)]))
    rows = st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.8, 0.9, 1.0]), min_size=ticks, max_size=ticks)
    certainty = torch.tensor(draw(st.lists(rows, min_size=batch, max_size=batch)), dtype=torch.float64)
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    logits = torch.randn(batch, ticks, *answer, classes, generator=generator, dtype=torch.float64)
    return thoughts_of(logits, certainty)


@pytest.mark.parametrize("rule", RULES)
@given(thoughts=some_thoughts())
def test_answers_know_only_the_ticks_so_far(rule, thoughts):
    answers = thoughts.answers(rule, THRESHOLD)
    assert answers.shape == thoughts.logits.shape
    for sample, logits in enumerate(thoughts.logits):
        certainty = thoughts.certainty[sample].tolist()
        for tick in range(thoughts.ticks):
            expected = naive(rule, logits[: tick + 1], certainty[: tick + 1])
            torch.testing.assert_close(answers[sample, tick], expected, atol=1e-12, rtol=0)
    assert torch.equal(thoughts.at(rule, THRESHOLD), answers[:, -1])


@given(thoughts=some_thoughts())
def test_the_most_certain_tick_is_the_first_of_its_kind(thoughts):
    """As argmax chooses, in the loss too."""
    ticks = thoughts.most_certain_tick()
    for tick in range(thoughts.ticks):
        assert torch.equal(ticks[:, tick], thoughts.certainty[:, : tick + 1].argmax(1))


def test_by_default_the_most_certain_tick_answers():
    thoughts = thoughts_of(torch.tensor([[[1.0, 0], [2, 0], [3, 0]]]), torch.tensor([[0.1, 0.6, 0.2]]))
    assert thoughts.at().tolist() == [[2.0, 0.0]]


@pytest.mark.parametrize("tick", [-3, -1, 0, 2])
def test_a_tick_by_its_number(tick):
    logits = torch.randn(2, 3, 4)
    assert torch.equal(thoughts_of(logits, torch.rand(2, 3)).at(tick), logits[:, tick])


@pytest.mark.parametrize("tick", [-4, 3, 100])
def test_a_tick_that_was_not_thought(tick):
    with pytest.raises(IndexError, match=f"tick {tick}: there are 3 ticks, 0 to 2"):
        thoughts_of(torch.randn(2, 3, 4), torch.rand(2, 3)).at(tick)


def test_never_sure_answers_as_the_tick_itself():
    logits = torch.randn(2, 4, 3)
    assert torch.equal(thoughts_of(logits, torch.full((2, 4), 0.79)).answers("sure", 0.8), logits)


def test_sure_at_once_answers_with_the_mean_of_all():
    logits = torch.randn(2, 4, 3)
    certainty = torch.tensor([[0.8, 0.1, 0.1, 0.1]]).expand(2, -1)
    torch.testing.assert_close(thoughts_of(logits, certainty).at("sure", 0.8), logits.mean(1))


def test_sure_from_the_middle_on():
    logits = torch.tensor([[[1.0], [2.0], [4.0], [8.0]]])
    answers = thoughts_of(logits, torch.tensor([[0.2, 0.9, 0.1, 0.3]])).answers("sure", 0.8)
    torch.testing.assert_close(answers.flatten(), torch.tensor([1.0, 2.0, 3.0, 14 / 3]))


def test_certainty_weights_the_mean():
    thoughts = thoughts_of(torch.tensor([[[1.0, 0.0], [5.0, 8.0]]]), torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(thoughts.at("certainty_weighted"), torch.tensor([[4.0, 6.0]]))


@pytest.mark.parametrize("certainty", [0.0, -2.4e-7])
def test_no_certainty_at_all_weights_all_ticks_alike(certainty):
    """Rounding makes the certainty of uniform logits a little less than zero."""
    logits = torch.randn(2, 3, 7)
    weighted = thoughts_of(logits, torch.full((2, 3), certainty)).answers("certainty_weighted")
    torch.testing.assert_close(weighted, thoughts_of(logits, torch.ones(2, 3)).answers("mean"))


def test_ticks_and_record():
    thoughts = thoughts_of(torch.randn(2, 5, 3), torch.rand(2, 5))
    assert thoughts.ticks == 5
    with pytest.raises(ValueError, match="record=True"):
        _ = thoughts.recorded
    record = Record(None, torch.zeros(1), None, None, torch.zeros(1), ())
    assert thoughts._replace(record=record).recorded is record


def test_gradients_flow_to_the_ticks_that_answer():
    logits = torch.zeros(1, 3, 2, requires_grad=True)
    thoughts_of(logits, torch.tensor([[0.1, 0.9, 0.2]])).at("most_certain").sum().backward()
    assert logits.grad[0].tolist() == [[0, 0], [1, 1], [0, 0]]
