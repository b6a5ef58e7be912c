import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

import ctm
from ctm.inference.samples import AddedNoise, chosen
from ctm.inputs import slice_batch, tree_map
from inference.test_halting import CLOSE, full, sharp
from machines import inputs_for, machine_configs


@pytest.fixture
def model():
    torch.manual_seed(0)
    return sharp(ctm.preset("digits").model)


@pytest.fixture
def images():
    return torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def never(certainty, answers, ticks):
    return torch.zeros_like(ticks, dtype=torch.bool)


def all_of(model, inputs, samples=3, until=never, **options):
    """The answers (N, K, *answer, C) and certainties (N, K) of all thoughts."""
    kept = []

    def keep(answers, certainty):
        kept.append((answers, certainty))
        return certainty.argmax(1)

    options = {"noise": 0.5, **options}
    ctm.think(model, inputs, until, samples=samples, choose=keep, **options)
    return kept[0]


@settings(max_examples=10)
@given(config=machine_configs(), noise=st.sampled_from([0.5, ctm.Noise(0.5, tick=0), None]))
def test_one_sample_is_one_thought_without_noise(config, noise):
    model, inputs = sharp(config), inputs_for(config, 4)
    once, sampled = ctm.think(model, inputs, 0.5), ctm.think(model, inputs, 0.5, samples=1, noise=noise)
    assert all(map(torch.equal, once, sampled))


@settings(max_examples=10)
@given(config=machine_configs(), noise=st.sampled_from([0.5, ctm.Noise(0.5, tick=0)]))
def test_the_first_thought_is_as_it_is_and_noise_reaches_the_others(config, noise):
    model, inputs = sharp(config), inputs_for(config, 4)
    answers, certainty = all_of(model, inputs, noise=noise, answer="last")
    thoughts = full(model, inputs, config.ticks)
    torch.testing.assert_close(answers[:, 0], thoughts.at("last"), **CLOSE)
    torch.testing.assert_close(certainty[:, 0], thoughts.certainty[:, -1], **CLOSE)
    everywhere = not isinstance(noise, ctm.Noise)
    if everywhere or isinstance(config.core, ctm.NeuronCore.Config | ctm.SynapseCore.Config):
        assert not torch.allclose(answers[:, 1], answers[:, 0], rtol=1e-4, atol=1e-5)
        assert not torch.allclose(answers[:, 2], answers[:, 1], rtol=1e-4, atol=1e-5)


@settings(max_examples=10)
@given(config=machine_configs(), batch=st.integers(1, 5), choose=st.sampled_from(["surest", "vote", "mean"]))
def test_an_answer_depends_on_its_input_alone(config, batch, choose):
    model, inputs = sharp(config).double(), inputs_for(config, 5)
    inputs = tree_map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, inputs)
    options = {"until": 0.6, "samples": 3, "noise": 0.3, "choose": choose}
    together = ctm.think(model, inputs, **options)
    order = [3, 0, 4, 2, 1]
    mixed = ctm.think(model, tree_map(lambda tensor: tensor[order], inputs), batch=batch, **options)
    alone = ctm.think(model, slice_batch(inputs, 2, 3), **options)
    assert mixed.index.tolist() == [0, 1, 2, 3, 4]
    for part, others, one in zip(together[:3], mixed[:3], alone[:3], strict=True):
        torch.testing.assert_close(others, part[order])
        torch.testing.assert_close(one, part[2:3])


def test_a_thought_that_stops_is_one_that_goes_on_cut_there(model, images):
    options = {"samples": 2, "noise": 0.3, "answer": "last"}
    longer, _ = all_of(model, images, max_ticks=9, **options)
    cut, _ = all_of(model, images, max_ticks=5, **options)
    assert not torch.allclose(cut, longer, **CLOSE)
    stopped, _ = all_of(model, images, until=lambda certainty, answers, ticks: ticks >= 5, max_ticks=9, **options)
    torch.testing.assert_close(stopped, cut)


def test_ticks_are_those_of_all_thoughts(model, images):
    assert ctm.think(model, images, never, 5, samples=3, noise=0.3).ticks.tolist() == [15] * 12


def test_the_same_seed_gives_the_same_answers_and_another_gives_others(model, images):
    first, again, other = (all_of(model, images, seed=seed)[0] for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert torch.equal(first[:, 0], other[:, 0])
    assert not torch.allclose(first[:, 1], other[:, 1])


def test_more_samples_are_the_same_and_further_ones(model, images):
    few, many = all_of(model, images, 2)[0], all_of(model, images, 4)[0]
    assert torch.equal(many[:, :2], few)


@settings(max_examples=10)
@given(config=machine_configs(), until=st.sampled_from([0.3, 0.7, 1.0, never]))
def test_the_surest_is_never_less_certain_than_one_thought(config, until):
    model, inputs = sharp(config), inputs_for(config, 4)
    one = ctm.think(model, inputs, until)
    several = ctm.think(model, inputs, until, samples=4, noise=0.5)
    assert (several.certainty >= one.certainty).all()
    kept = several.certainty == one.certainty
    assert torch.equal(several.answers[kept], one.answers[kept])


def test_a_sure_thought_is_the_last_about_its_input(model, images):
    certainty = ctm.think(model, images, never).certainty
    until = float(certainty.median())
    one = ctm.think(model, images, until)
    several = ctm.think(model, images, until, samples=3, noise=0.5)
    sure = one.certainty >= until
    assert 0 < sure.sum() < 12
    assert torch.equal(several.ticks[sure], one.ticks[sure])
    assert torch.equal(several.answers[sure], one.answers[sure])
    assert (several.ticks[~sure] > one.ticks[~sure]).all()
    ruled = ctm.think(model, images, lambda c, a, t: c >= until, samples=3, noise=0.5)
    assert all(map(torch.equal, ruled, several))
    voted = ctm.think(model, images, until, samples=3, noise=0.5, choose="vote")
    assert (voted.ticks[sure] > one.ticks[sure]).all()


def test_the_surest_is_chosen_among_all(images):
    model = ctm.load("digits")
    answers, certainty = all_of(model, images, noise=0.1)
    found = ctm.think(model, images, never, samples=3, noise=0.1)
    best = certainty.argmax(1)
    assert len(best.unique()) > 1
    assert torch.equal(found.answers, answers[torch.arange(12), best])
    assert torch.equal(found.certainty, certainty.amax(1))


def test_the_mean_is_one_of_probabilities(model, images):
    answers, _ = all_of(model, images)
    found = ctm.think(model, images, never, samples=3, noise=0.5, choose="mean")
    torch.testing.assert_close(found.answers.exp(), answers.softmax(-1).mean(1))
    torch.testing.assert_close(found.certainty, ctm.certainty.certainty(found.answers))


def thoughts_saying(*classes):
    """Answers (1, K, *answer, 3), each marked with which thought it is of."""
    answers = torch.nn.functional.one_hot(torch.tensor(classes), 3).float()
    return (answers + torch.arange(len(classes)).view(-1, *[1] * (answers.dim() - 1))).unsqueeze(0)


@pytest.mark.parametrize(
    ("classes", "certainty", "choice"),
    [
        ((0, 2, 1, 0), (0.1, 0.9, 0.8, 0.2), 3),  # of the two that agree the more certain one
        ((0, 2, 2, 0), (0.1, 0.4, 0.6, 0.5), 2),  # two against two: the most certain one of all
        (((0, 1), (0, 2), (1, 1), (0, 1)), (0.1, 0.9, 0.8, 0.2), 3),
        (((0, 0, 0), (0, 0, 0), (1, 1, 0), (1, 1, 1), (1, 1, 2)), (0.2, 0.1, 0.9, 0.9, 0.9), 0),  # not each position
    ],
)
def test_a_vote_is_about_whole_answers_and_the_surest_breaks_ties(classes, certainty, choice):
    answers = thoughts_saying(*classes)
    assert torch.equal(chosen(answers, torch.tensor([certainty]), "vote"), answers[:, choice])


def test_a_check_of_ones_own_chooses(model, images):
    answers, _ = all_of(model, images)
    found = ctm.think(model, images, never, samples=3, noise=0.5, choose=lambda a, c: torch.arange(12) % 3)
    assert torch.equal(found.answers, answers[torch.arange(12), torch.arange(12) % 3])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), r"choose returned torch.int64 \(3,\): expected torch.int64 \(12,\)"),
        (torch.zeros(12), r"choose returned torch.float32 \(12,\): expected torch.int64 \(12,\)"),
        (0, r"choose returned int: expected torch.int64 \(12,\)"),
        (torch.full((12,), 2), r"choose returned \[2, .*\]: expected numbers of thoughts, 0 to 1"),
        (torch.full((12,), -1), r"choose returned \[-1, .*\]: expected numbers of thoughts, 0 to 1"),
    ],
)
def test_a_check_that_chooses_no_thought(model, images, choice, message):
    with pytest.raises(ValueError, match=message):
        ctm.think(model, images, samples=2, noise=0.5, choose=lambda answers, certainty: choice)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples = 0: expected at least 1"),
        ({"samples": 2}, "samples = 2: expected noise, without which all thoughts are the same"),
        ({"samples": 2, "noise": -0.1}, r"noise = -0.1: expected a number above 0"),
        ({"samples": 2, "noise": 0.0}, r"noise = 0.0: expected a number above 0"),
        ({"samples": 2, "noise": float("nan")}, r"noise = nan: expected a number above 0"),
        ({"samples": 2, "noise": float("inf")}, r"noise = inf: expected a number above 0"),
    ],
)
def test_mistakes(model, images, options, message):
    with pytest.raises(ValueError, match=message):
        ctm.think(model, images, **options)


def test_an_unknown_choice_is_refused(model, images):
    with pytest.raises((ValueError, TypeCheckError), match="best"):
        ctm.think(model, images, samples=2, noise=0.1, choose="best")


def test_noise_at_a_tick_that_never_comes():
    with pytest.raises(ValueError, match="tick = -1: expected ticks from 0 on"):
        ctm.Noise(0.1, tick=-1)


def test_noise_is_a_share_of_the_post_activations_at_its_ticks():
    z = torch.stack([torch.full((4000,), 2.0), torch.full((4000,), 10.0)])  # (2, D)
    added = AddedNoise(ctm.Noise(0.1, tick=range(2, 4)), 4000, 6, 0, 1, z.device)
    for tick, acts in enumerate([False, False, True, True, False, False]):
        change = added.apply(z, torch.tensor([tick, tick])) - z
        torch.testing.assert_close(change.std(1), torch.tensor([0.2, 1.0]) * acts, rtol=0.05, atol=0)
    assert torch.equal(added.apply(z, torch.tensor([2, 3]))[0], added.apply(z, torch.tensor([2, 2]))[0])
    half = added.apply(z.bfloat16(), torch.tensor([2, 2]))
    assert half.dtype == torch.bfloat16


def test_what_an_intervention_sets_stays_without_noise(model, images):
    with model.intervene(neurons=range(model.config.core.neurons), value=1.0):
        answers, _ = all_of(model, images)
    torch.testing.assert_close(answers[:, 1], answers[:, 0])
    assert model.interventions == []


def test_nothing_remains_after_an_exception(model, images):
    calls = []

    def fails(certainty, answers, ticks):
        calls.append(len(calls))
        if len(calls) > 20:
            raise RuntimeError
        return never(certainty, answers, ticks)

    with pytest.raises(RuntimeError):
        ctm.think(model, images, fails, samples=3, noise=0.1)
    assert model.interventions == []


def test_noise_is_none_of_other_threads(model, images):
    added = AddedNoise(ctm.Noise(0.5), model.config.core.neurons, 15, 0, 1, images.device)
    added._thread = -1
    z = torch.randn(2, model.config.core.neurons)
    assert added.apply(z, torch.zeros(2, dtype=torch.int64)) is z


@pytest.mark.parametrize("choose", ["surest", "vote", "mean"])
def test_nothing_to_think_about(model, images, choose):
    found = ctm.think(model, images[:0], samples=3, noise=0.1, choose=choose)
    assert [len(part) for part in found] == [0, 0, 0, 0]


def test_inputs_of_several_tensors_are_thought_about_again():
    config = ctm.preset("qamnist/quick").model
    torch.manual_seed(0)
    model = sharp(config)
    pictures = torch.randn(3, 3, 1, 28, 28)
    questions = torch.tensor([[0, -1, 1], [1, -2, 2], [2, -1, 0]])
    found = ctm.think(model, (pictures, questions), never, samples=2, noise=0.5)
    assert found.ticks.tolist() == [2 * config.ticks] * 3
