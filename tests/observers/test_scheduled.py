import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ctm
from ctm import ConfigError, Scheduled
from ctm.observers.attention import ObserverConfig
from ctm.observers.scheduled import sinusoids

LOOK = ctm.CrossAttention.Config(8, 2)
QUESTION = torch.tensor([[1, -2, 0], [0, -1, 1]])


def observed(observer, features, ticks, question=QUESTION):
    prepared = observer.prepare((features, question))
    return observer.step(torch.ones(len(features), 5), prepared, torch.tensor(ticks))


@given(repeats=st.integers(1, 3), ages=st.lists(st.integers(0, 30), min_size=2, max_size=2))
def test_every_sample_sees_what_its_age_says(repeats, ages):
    observer = Scheduled.Config(LOOK, repeats=repeats).build(3, query=5)
    features = torch.randn(2, 3, 2, 2, 4)  # two pictures of 2 x 4 cells
    found = observed(observer, features, ages)
    assert found.attention.shape == (2, 2, 16)
    for sample, age in enumerate(ages):
        part, symbols = age // repeats, QUESTION[sample].tolist()
        attention = found.attention[sample].view(2, 2, 8)  # heads, pictures, cells
        if part < 2:
            picture = features[sample : sample + 1, :, part]
            expected = observer.look.attend(torch.ones(1, 5), observer.look.prepare(picture))
            torch.testing.assert_close(found.seen[sample], expected.seen[0])
            torch.testing.assert_close(attention[:, part], expected.attention[0])
            assert not attention[:, 1 - part].any()
            continue
        assert not attention.any()
        expected = torch.zeros(8)
        if part - 2 < len(symbols):
            symbol = symbols[part - 2]
            expected = observer.indices[symbol] if symbol >= 0 else observer.operators.weight[-symbol - 1]
        assert torch.equal(found.seen[sample], expected)


def test_symbols_may_pass_through_the_projection_of_features():
    observer = Scheduled.Config(LOOK, projected=True).build(3, query=5)
    assert observer.indices.shape == (50, 3)
    found = observed(observer, torch.randn(2, 3, 1, 4), [1, 2])
    torch.testing.assert_close(found.seen[0], observer.look.features(observer.indices[1]))
    torch.testing.assert_close(found.seen[1], observer.look.features(observer.operators.weight[0]))
    assert not observed(observer, torch.randn(2, 3, 1, 4), [4, 9]).seen.any()


def test_nothing_reaches_what_is_not_shown():
    observer = Scheduled.Config(LOOK).build(3, query=5)
    features = torch.randn(2, 3, 2, 4, requires_grad=True)
    observed(observer, features, [1, 3]).seen.square().sum().backward()
    assert features.grad[0, :, 1].abs().min() > 0
    assert not features.grad[0, :, 0].any()
    assert not features.grad[1].any()
    assert features.grad.isfinite().all()


@pytest.mark.parametrize(("width", "count"), [(8, 3), (5, 50), (1, 1)])
def test_sinusoids(width, count):
    table = sinusoids(count, width)
    for place in range(count):
        for column in range(width):
            angle = place / 10_000 ** (column // 2 * 2 / width)
            wanted = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[place, column].item() == pytest.approx(wanted, abs=1e-5)


def test_how_long_the_input_is_shown():
    observer = Scheduled.Config(LOOK, repeats=10).build(3, query=5)
    assert observer.shown((torch.zeros(2, 4, 1, 8, 8), torch.zeros(2, 9))) == 130


def test_a_machine_takes_pictures_and_a_question():
    config = ctm.preset("qamnist/quick").model
    model = config.build().eval()
    pictures, question = torch.randn(2, 2, 1, 8, 8), QUESTION
    with torch.no_grad():
        thoughts, same = model(pictures, question, record=True), model((pictures, question))
        alone = model(pictures[:1], question[:1])
    assert torch.equal(thoughts.logits, same.logits)
    torch.testing.assert_close(alone.logits[0], thoughts.logits[0], rtol=1e-4, atol=1e-5)
    assert thoughts.shown == 5 * config.observer.repeats
    assert thoughts.ticks == thoughts.shown + config.ticks
    assert thoughts.recorded.grid[0] == 2
    assert torch.equal(thoughts.at("most_certain"), thoughts.due.at("most_certain"))
    later = model(pictures, question, ticks=3, state=thoughts.state)
    assert later.shown == 0
    assert later.state.ticks.tolist() == [thoughts.ticks + 3] * 2


def test_the_wrong_number_of_inputs_is_named():
    with pytest.raises(ValueError, match=r"expected two tensors: pictures \(B, n, …\) and symbols"):
        ctm.build("qamnist/quick")(torch.zeros(1, 2, 1, 8, 8))
    with pytest.raises(ValueError, match="2 tensors: expected one"):
        ctm.build("digits")(torch.zeros(1, 1, 8, 8), QUESTION)


@pytest.mark.parametrize("name", ["repeats", "operators", "numbers"])
def test_impossible_schedules_are_refused(name):
    with pytest.raises(ConfigError, match=f"^{name} = 0: expected at least 1$"):
        Scheduled.Config(LOOK, **{name: 0})


def test_features_must_be_of_pictures_in_a_row():
    Scheduled.Config(LOOK).check(3)
    with pytest.raises(ConfigError, match="an observer of single vectors"):
        Scheduled.Config(LOOK).check(0)
    fourier = LOOK.replace(positions=ctm.FourierPositions.Config())
    with pytest.raises(ConfigError, match="an embedding for the 3-dimensional features"):
        Scheduled.Config(fourier).check(3)


def test_kind():
    data = {"kind": "scheduled", "look": {"embedding": 4, "heads": 2}, "repeats": 10}
    assert ObserverConfig.from_dict(data) == Scheduled.Config(ctm.CrossAttention.Config(4, 2), repeats=10)
    assert Scheduled.Config.from_dict(Scheduled.Config(LOOK).to_dict()) == Scheduled.Config(LOOK)
