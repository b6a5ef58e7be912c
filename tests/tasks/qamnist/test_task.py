import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import ctm
from ctm import ConfigError, DataError
from ctm.cli import main
from ctm.tasks.images.known import DIGITS
from ctm.tasks.qamnist import QuestionsAboutDigits
from ctm.tasks.qamnist.questions import draw_questions, format_question, parse_question, results
from ctm.testing import check_task


def config(**changes):
    return QuestionsAboutDigits.Config(**{"images": DIGITS, "resolution": 8, **changes})


@pytest.fixture(scope="module")
def task():
    return config(evaluation_samples=6).build()


def naive(labels, symbols):
    """The results after each operation of one question."""
    values = [labels[symbols[0]]]
    for operator, place in zip(symbols[1::2], symbols[2::2], strict=True):
        values.append((values[-1] + (labels[place] if operator == -1 else -labels[place])) % 10)
    return values


@given(
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=5),
    operations=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_every_operation_is_modulo_ten(labels, operations, seed):
    question = draw_questions(3, len(labels), operations, torch.Generator().manual_seed(seed))
    assert question.shape == (3, 2 * operations + 1)
    found = results(question, torch.tensor([labels] * 3))
    assert found.tolist() == [naive(labels, symbols) for symbols in question.tolist()]


def test_the_example_of_the_paper():
    """(((1 - 9) % 10 - 1) % 10 + 8) % 10 - 8) % 10, whose parts are 2, 1, 9 and 1."""
    question = parse_question("0 - 1 - 0 + 2 - 2", digits=3)
    assert results(question, torch.tensor([[1, 9, 8]])).tolist() == [[1, 2, 1, 9, 1]]


@given(symbols=st.integers(1, 4).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, 5), st.integers(0, 99))))
def test_questions_are_read_as_they_are_spelt(symbols):
    digits, operations, seed = symbols
    question = draw_questions(1, digits, operations, torch.Generator().manual_seed(seed))
    assert torch.equal(parse_question(format_question(question[0]), digits), question)


def test_pictures_and_questions_are_those_of_the_seed_and_the_iteration():
    task = config(digits=(2, 2), operations=(3, 3)).build()
    batches = [task.batch(*moment, 8).inputs for moment in ((0, 0), (0, 1), (1, 0))]
    for part in zip(*batches, strict=True):
        assert len(torch.stack(part).unique(dim=0)) == 3


def test_batches_have_one_shape_each_and_all_of_them_come(task):
    seen = set()
    for iteration in range(60):
        (pictures, question), targets = task.batch(0, iteration, 3)
        digits, operations = pictures.shape[1], question.shape[1] // 2
        assert pictures.shape == (3, digits, 1, 8, 8)
        assert (question[:, ::2] >= 0).all()
        assert (question[:, ::2] < digits).all()
        assert set(question[:, 1::2].unique().tolist()) <= {-1, -2}
        assert (targets.dtype, targets.shape) == (torch.int64, (3,))
        seen.add((digits, operations))
    assert seen == set(itertools.product(range(1, 5), range(1, 5)))


def test_targets_are_about_the_pictures_shown():
    """A task whose pictures say what they are: every pixel of a 3 is 3."""
    task = config().build()
    task.images.normalised = lambda pictures: pictures.float()
    pictures = task.images.splits.train.pictures
    pictures.pixels[:] = pictures.labels.numpy()[:, None, None]
    batches = [task.batch(0, iteration, 5) for iteration in range(10)] + list(task.evaluation("test", 50))
    for (pictures, question), targets in batches:
        labels = pictures[:, :, 0, 4, 4].round().long()
        for sample, target in enumerate(targets.tolist()):
            assert naive(labels[sample].tolist(), question[sample].tolist())[-1] == target


def test_a_batch_is_a_function_of_seed_and_iteration(task):
    before = torch.random.get_rng_state()
    first, again = task.batch(3, 7, 4), config().build().batch(3, 7, 4)
    assert all(map(torch.equal, (*first.inputs, first.targets), (*again.inputs, again.targets)))
    others = [task.batch(3, 8, 4), task.batch(4, 7, 4)]
    assert not any(other.inputs[1].shape == first.inputs[1].shape and torch.equal(other.inputs[1], first.inputs[1])
                   for other in others)  # fmt: skip
    assert torch.equal(torch.random.get_rng_state(), before)


def test_evaluation_is_fixed_and_covers_all_numbers_alike(task):
    batches = list(task.evaluation("test", 4))
    shapes = [(batch.inputs[0].shape[1], batch.inputs[1].shape[1] // 2) for batch in batches]
    assert shapes == [pair for pair in itertools.product((4, 3, 2, 1), (4, 3, 2, 1)) for _ in range(2)]
    assert [len(batch.targets) for batch in batches] == [4, 2] * 16
    whole = list(task.evaluation("test", 6))
    assert torch.equal(torch.cat([b.targets for b in batches]), torch.cat([b.targets for b in whole]))
    assert torch.equal(torch.cat([b.inputs[0] for b in batches[:2]]), whole[0].inputs[0])
    assert not torch.equal(whole[0].inputs[0], next(task.evaluation("train", 6)).inputs[0])
    sample = task.sample(7)
    assert torch.equal(sample.inputs[1], whole[1].inputs[1][1:2])


def test_pictures_are_resized_evenly(task):
    larger = config(resolution=32).build()
    (small, _), (large, _) = task.batch(0, 0, 2).inputs, larger.batch(0, 0, 2).inputs
    assert large.shape[2:] == (1, 32, 32)
    torch.testing.assert_close(large.mean((2, 3, 4)), small.mean((2, 3, 4)), atol=0.05, rtol=0)


def test_a_typed_question_is_about_the_first_test_pictures_or_those_named(task):
    stored = torch.cat([batch.inputs for batch in task.images.evaluation("test", 100)])
    pictures, question = task.parse("1 + 2 - 1")
    assert question.tolist() == [[1, -1, 2, -2, 1]]
    assert torch.equal(pictures[0], stored[:3])
    pictures, question = task.parse(" 30 17: 1-0 ")
    assert question.tolist() == [[1, -2, 0]]
    assert torch.equal(pictures[0], stored[[30, 17]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'': expected places of digits with + and - between, such as '1 + 2 - 1'"),
        ("1 +", "'1 +': expected places"),
        ("1 2", "'1 2': expected places"),
        ("+ 1", "'+ 1': expected places"),
        ("1 * 2", "'1 * 2': expected places"),
        ("one", "'one': expected places"),
        ("400 + 1", "there is no digit 400; 359 are shown, 0 to 358"),
        ("3 17: 0 + 2", "there is no digit 2; 2 are shown, 0 to 1"),
        ("3 x: 0", "'3 x': expected indices of test pictures, 0 to 358, before the colon"),
        ("359: 0", "'359': expected indices of test pictures"),
        ("1: 2: 0", "'1: 2': expected indices"),
    ],
)
def test_nonsense_is_refused(task, text, message):
    with pytest.raises(DataError) as caught:
        task.parse(text)
    assert message in str(caught.value)


def test_only_the_answer_counts():
    """Whatever is said while something is shown changes neither loss nor scores."""
    experiment = ctm.preset("qamnist/quick")
    task, model = experiment.task.build(), experiment.model.build().eval()
    inputs, targets = task.batch(0, 0, 4)
    thoughts = model(inputs)
    other = thoughts._replace(logits=thoughts.logits.clone(), certainty=thoughts.certainty.clone())
    other.logits[:, : thoughts.shown] = 99 * torch.randn(4, thoughts.shown, 10)
    other.certainty[:, : thoughts.shown] = 1
    assert torch.equal(task.loss(thoughts, targets), task.loss(other, targets))
    scores, same = task.scores(thoughts, targets), task.scores(other, targets)
    assert scores["accuracy_by_tick"].shape == (4, model.config.ticks)
    assert all(torch.equal(scores[name], same[name]) for name in scores)
    assert torch.equal(task.answer(thoughts), task.answer(other))
    assert task.comment(thoughts, inputs).startswith("most certain at tick ")


def test_samples_of_all_lengths_stop_when_sure(task):
    """A stream of questions of different lengths: each is answered as in a pass of its own."""
    model = ctm.preset("qamnist/quick").model.replace(ticks=4).build().eval()
    batches = list(task.evaluation("test", 6))[::3]
    found = list(ctm.think_stream(model, [batch.inputs for batch in batches], until=1.0, batch=4))
    order = torch.cat([each.index for each in found]).argsort()
    assert torch.equal(torch.cat([each.ticks for each in found]), torch.full((36,), 4))
    with torch.no_grad():
        expected = torch.cat([model(batch.inputs).at("most_certain") for batch in batches])
    torch.testing.assert_close(torch.cat([each.answers for each in found])[order], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"digits": (0, 2)}, r"digits = \(0, 2\): expected the fewest, at least 1, and the most"),
        ({"operations": (3, 2)}, r"operations = \(3, 2\): expected the fewest"),
        ({"resolution": 0}, "resolution = 0: expected at least 1"),
        ({"evaluation_samples": 0}, "evaluation_samples = 0: expected at least 1"),
    ],
)
def test_impossible_tasks_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_models_that_cannot_be_asked_are_refused():
    experiment = ctm.preset("qamnist/quick")
    model = experiment.model
    with pytest.raises(ConfigError, match="the task 'qamnist' needs the kind 'scheduled'"):
        experiment.replace(model=ctm.preset("digits").model)
    with pytest.raises(ConfigError, match=r"model\.observer\.numbers = 1: expected at least 2"):
        experiment.replace(model=model.replace(observer=model.observer.replace(numbers=1)))


def test_an_experiment_survives_a_dictionary():
    experiment = ctm.preset("qamnist/quick")
    assert ctm.Experiment.from_dict(experiment.to_dict()) == experiment


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three iterations, with micro-batches and a random number of ticks to answer."""
    experiment = ctm.preset("qamnist/quick")
    training = experiment.training.replace(
        iterations=3, batch_size=8, accumulate=2, least_ticks=1, evaluate_every=3, checkpoint_every=3, log_every=1
    )
    small = experiment.replace(task=experiment.task.replace(evaluation_samples=3), training=training)
    run = ctm.Run.create(tmp_path_factory.mktemp("runs") / "questions", small)
    assert not ctm.train(run, quiet=True).interrupted
    return run


def test_a_run_learns_and_is_evaluated(trained):
    lines = trained.metrics()
    assert [line["iteration"] for line in lines if "split" not in line] == [1, 2, 3]
    assert len(lines[-1]["accuracy_by_tick"]) == trained.experiment.model.ticks


def test_a_question_is_answered_from_the_command_line(trained, capsys, tmp_path):
    path = str(trained.path)
    assert main(["think", path, "--text", "3 17: 0 + 1 - 0", "--output", str(tmp_path / "thought.gif")]) == 0
    answer, sure, animation = capsys.readouterr().out.splitlines()
    assert answer.removeprefix("answer: ") in list("0123456789")
    assert sure.startswith(("most certain at tick 15 of 16", "most certain at tick 16 of 16"))
    assert animation == f"animation: {tmp_path / 'thought.gif'}"
    assert main(["think", path, "--text", "one plus two"]) == 2
    assert "'one plus two': expected places of digits" in capsys.readouterr().err
    assert main(["evaluate", path, "--until", "0.9"]) == 0
    assert main(["evaluate", path, "--budget", "1.5", "--ticks", "3"]) == 0
    assert "all ticks" in capsys.readouterr().out


def test_training_and_evaluation_can_use_it(task):
    check_task(task)
