import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

import ctm
from ctm.inputs import as_tuple, slice_batch, tree_map
from ctm.thoughts import RULES
from machines import inputs_for, machine_configs, perturbed

CLOSE = {"rtol": 1e-3, "atol": 1e-4}


def sharp(config):
    """A machine whose certainties are spread out, in evaluation mode."""
    model = perturbed(config.build()).eval()
    with torch.no_grad():
        model.readout.linear.weight.mul_(8)
    return model


def between(certainty, choice) -> float:
    """A threshold in (0, 1] that no certainty is near to: below all, above all, or in the widest gaps between."""
    known = torch.cat([torch.tensor([0.0]), certainty.flatten().clamp(0, 1).sort().values, torch.tensor([1.0])])
    gaps = known.diff()
    widest = [gap for gap in gaps.argsort(descending=True)[: 1 + choice].tolist() if gaps[gap] > 1e-4]
    return float(known[widest[-1]] + gaps[widest[-1]] / 2)


def full(model, inputs, ticks):
    with torch.no_grad():
        return model(inputs, ticks=model.observer.shown(inputs) + ticks).due


def expected_ticks(thoughts, until, every, late):
    first = late or every
    sure = (thoughts.certainty.cummax(1).values >= until)[:, first - 1 :: every]  # (N, T / every)
    sure[:, -1] = True
    return sure.int().argmax(1) * every + first  # (N,)


def assert_as_cut(found, thoughts, until, rule, every=1, late=0):
    ticks = expected_ticks(thoughts, until, every, late)[found.index]
    torch.testing.assert_close(found.ticks, ticks)
    answers = thoughts.answers(rule, until)[found.index, ticks - 1]
    torch.testing.assert_close(found.answers, answers, **CLOSE)
    positions = answers.dim() - 2
    torch.testing.assert_close(found.certainty, ctm.certainty.certainty(answers, positions), **CLOSE)


@given(
    config=machine_configs(),
    samples=st.integers(1, 7),
    batch=st.integers(1, 9),
    every=st.integers(1, 3),
    rounds=st.integers(1, 3),
    rule=st.sampled_from(RULES),
    choice=st.integers(0, 5),
)
def test_answers_are_those_of_a_full_run_cut_at_that_tick(config, samples, batch, every, rounds, rule, choice):
    model, inputs = sharp(config), inputs_for(config, samples)
    late = -model.observer.shown(inputs) % every  # ticks of the first look at an answer, counted from when it is due
    thoughts = full(model, inputs, every * rounds + late)
    until = between(thoughts.certainty, choice)
    found = ctm.think(model, inputs, until, every * rounds, rule, every, batch)
    torch.testing.assert_close(found.index, torch.arange(samples))
    assert_as_cut(found, thoughts, until, rule, every, late)


@given(
    config=machine_configs(),
    sizes=st.lists(st.integers(0, 4), max_size=5),
    batch=st.integers(1, 6),
    choice=st.integers(0, 5),
)
def test_streams_of_uneven_batches(config, sizes, batch, choice):
    model, samples = sharp(config), sum(sizes)
    inputs = inputs_for(config, max(samples, 1))
    thoughts = full(model, inputs, 4)
    until = between(thoughts.certainty, choice)
    ends = list(itertools.accumulate(sizes))
    batches = [slice_batch(inputs, end - size, end) for size, end in zip(sizes, ends, strict=True)]
    stream = list(ctm.think_stream(model, batches, until, 4, batch=batch))
    assert sorted(int(index) for found in stream for index in found.index) == list(range(samples))
    for found in stream:
        assert 1 <= len(found.index) <= batch
        assert_as_cut(found, thoughts, until, "most_certain")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return sharp(ctm.preset("digits").model)


@pytest.fixture
def images():
    return torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("until", "ticks"), [(1e-9, 1), (1.0, 15)])
def test_at_once_and_never(model, images, until, ticks):
    assert ctm.think(model, images, until).ticks.tolist() == [ticks] * 12


def test_easy_samples_overtake_hard_ones(model, images):
    thoughts = full(model, images, 15)
    until = float(thoughts.certainty.amax(1).median())
    stream = list(ctm.think_stream(model, [images], until, batch=4))
    order = [int(index) for found in stream for index in found.index]
    assert order != sorted(order)
    for found in stream:
        assert_as_cut(found, thoughts, until, "most_certain")


def test_an_endless_stream_gives_its_first_answers(model, images):
    stream = ctm.think_stream(model, itertools.repeat(images), until=0.5, batch=5)
    found = list(itertools.islice(stream, 30))
    assert max(int(each.index.max()) for each in found) >= 30
    assert all(len(each.answers) == len(each.index) for each in found)


def test_an_endless_stream_takes_no_more_than_it_needs(model, images):
    taken = []
    batches = (taken.append(len(taken)) or images[:5] for _ in itertools.count())
    next(ctm.think_stream(model, batches, until=1e-9, batch=10))
    assert len(taken) == 2


def test_nothing_to_think_about(model, images):
    assert list(ctm.think_stream(model, [])) == []
    assert list(ctm.think_stream(model, [images[:0], images[:0]])) == []
    nothing = ctm.think(model, images[:0])
    assert [len(part) for part in nothing] == [0, 0, 0, 0]
    assert nothing.answers.shape == (0, 10)


@given(config=machine_configs(), choice=st.integers(0, 5))
def test_inputs_stay_as_they_are(config, choice):
    model, inputs = sharp(config), inputs_for(config, 6)
    before = tree_map(torch.clone, inputs)
    ctm.think(model, inputs, between(full(model, inputs, config.ticks).certainty, choice), batch=2)
    assert all(map(torch.equal, as_tuple(inputs), as_tuple(before)))


def test_the_mode_of_the_model_comes_back(model, images):
    model.train()
    found = ctm.think(model, images)
    assert model.training
    assert not found.answers.requires_grad
    stream = ctm.think_stream(model, [images], until=1e-9, batch=4)
    next(stream)
    assert not model.training
    assert torch.is_grad_enabled()
    stream.close()
    assert model.training


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"until": 0.0}, "until = 0.0: expected a certainty above 0 and at most 1"),
        ({"until": 1.1}, "until = 1.1: expected a certainty above 0 and at most 1"),
        ({"until": float("nan")}, "until = nan"),
        ({"max_ticks": 0}, "max_ticks = 0: expected at least 1"),
        ({"batch": 0}, "batch = 0: expected at least 1"),
        ({"every": 0}, "every = 0: expected at least 1"),
        ({"every": 4}, "every = 4: expected a divisor of max_ticks = 15"),
    ],
)
def test_wrong_arguments(model, images, wrong, message):
    with pytest.raises(ValueError, match=message):
        ctm.think(model, images, **wrong)
    with pytest.raises(ValueError, match=message):  # at once, not with the first answer
        ctm.think_stream(model, [images], **wrong)


def test_unknown_rules_are_refused(model, images):
    with pytest.raises((ValueError, TypeCheckError), match="first"):
        ctm.think_stream(model, [images], answer="first")


def test_stepping_for_ever_takes_constant_memory():
    """A stream of observations, one tick each: nothing grows, and the answers are those of one long pass."""
    model = perturbed(ctm.build("parity/quick")).eval()
    signs = torch.randint(2, (40, 2, 64)) * 2.0 - 1
    sizes = set()
    with torch.no_grad():
        state, whole = model.start(2), None
        for x in signs:
            state, _ = model.step(state, model.prepare(x))
            thoughts = model(x, ticks=1, state=whole)
            whole = thoughts.state
            leaves = (state.core.post_activations, state.core.history, *state.action, *state.output)
            sizes.add(sum(leaf.untyped_storage().nbytes() for leaf in leaves))
            torch.testing.assert_close(model.readout(model.output.read(state.output)), thoughts.logits[:, 0])
        constant = model.start(2)
        prepared = model.prepare(signs[0])
        for _ in range(40):
            constant, _ = model.step(constant, prepared)
        last = model(signs[0], ticks=40).logits[:, -1]
    assert len(sizes) == 1
    torch.testing.assert_close(model.readout(model.output.read(constant.output)), last, rtol=1e-4, atol=1e-5)


def test_a_halting_rule_of_ones_own():
    """Stops at the second tick whose answer is as certain as a rule of its own says, or after four."""
    model = ctm.build("digits").eval()
    images = torch.randn(7, 1, 8, 8)

    def peaked(certainty, answers, ticks):
        return (answers.softmax(-1).amax(-1) > 0.15) & (ticks >= 2)

    found = ctm.think(model, images, until=peaked, max_ticks=4, answer="last", batch=3)
    thoughts = model(images, ticks=4)
    peak = thoughts.logits.softmax(-1).amax(-1) > 0.15  # (B, T)
    for sample in range(7):
        ticks = next((tick for tick in (2, 3) if peak[sample, tick - 1]), 4)
        assert found.ticks[sample] == ticks
        torch.testing.assert_close(found.answers[sample], thoughts.logits[sample, ticks - 1])
    with pytest.raises(ValueError, match="expected a certainty as until, which says what is sure"):
        ctm.think(model, images, until=peaked, answer="sure")
