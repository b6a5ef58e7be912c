import pytest
import torch

import ctm
from ctm import ConfigError, Thoughts
from ctm.tasks.mazes import Mazes
from ctm.tasks.mazes.grid import WAIT, walk
from ctm.testing import check_task


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return str(tmp_path_factory.mktemp("mazes"))


@pytest.fixture
def task(cache):
    return Mazes.Config(
        size=9, route_length=30, train_mazes=300, validation_mazes=50, test_mazes=50, cache=cache
    ).build()


def opened(inputs):
    """Open cells, start and goal of pictures."""
    ends = [
        (inputs == torch.tensor(colour).view(3, 1, 1)).all(1).nonzero()[:, 1:] for colour in ((1.0, 0, 0), (0, 1.0, 0))
    ]
    return inputs.amax(1) > 0, *ends


def test_batches_are_mazes_with_their_routes(task):
    for seed, iteration, size in ((0, 0, 8), (0, 41, 8), (1, 0, 1)):
        batch = task.batch(seed, iteration, size)
        assert (batch.inputs.shape, batch.inputs.dtype) == ((size, 3, 9, 9), torch.float32)
        assert (batch.targets.shape, batch.targets.dtype) == ((size, 30), torch.int64)
        cells, start, goal = opened(batch.inputs)
        done = walk(cells, start, batch.targets)
        assert torch.equal(done.end, goal)
        assert not done.mistakes.any()
        again = task.batch(seed, iteration, size)
        assert all(torch.equal(*parts) for parts in zip(batch, again, strict=True))


def test_every_maze_comes_once_an_epoch_and_turned_differently_the_next(cache):
    config = Mazes.Config(size=9, route_length=30, train_mazes=300, validation_mazes=50, test_mazes=50, cache=cache)
    plain = config.replace(augment=False).build()
    epochs = [torch.cat([plain.batch(0, epoch * 3 + step, 100).inputs for step in range(3)]) for epoch in (0, 1)]
    assert all(len(epoch.flatten(1).unique(dim=0)) == 300 for epoch in epochs)
    assert torch.equal(*(epoch.sum((1, 2, 3)).sort().values for epoch in epochs))
    turned = config.build()
    assert not torch.equal(turned.batch(0, 0, 100).inputs, epochs[0][:100])


def test_batches_of_several_sizes(cache):
    """Each is of one size, all come, and which one depends on seed and iteration alone; tests are of the largest."""
    config = Mazes.Config(
        size=11, least_size=7, route_length=30, train_mazes=60, validation_mazes=20, test_mazes=20, cache=cache
    )
    task = config.build()
    for seed in (0, 1):
        batches = [task.batch(seed, iteration, 4) for iteration in range(20)]
        sizes = [batch.inputs.shape[-1] for batch in batches]
        assert set(sizes) == {7, 9, 11}
        assert [config.build().batch(seed, iteration, 8).inputs.shape[-1] for iteration in range(20)] == sizes
        for batch in batches:
            cells, start, goal = opened(batch.inputs)
            done = walk(cells, start, batch.targets)
            reached = (batch.targets == WAIT).any(1)  # the others are longer than an answer
            assert torch.equal(done.end[reached], goal[reached])
    assert {
        batch.inputs.shape[-1] for split in ("train", "validation", "test") for batch in task.evaluation(split, 9)
    } == {11}


MOMENTS = ((0, 0), (0, 1), (1, 0))


def test_mazes_are_those_of_the_seed_and_the_iteration(cache):
    config = Mazes.Config(size=9, route_length=30, train_mazes=300, test_mazes=50, cache=cache, augment=False)
    task = config.build()
    assert len(torch.stack([task.batch(*moment, 20).inputs for moment in MOMENTS]).unique(dim=0)) == 3


def test_how_mazes_are_turned_is_that_of_the_seed_and_the_iteration(task, monkeypatch):
    monkeypatch.setattr("ctm.tasks.mazes.task.shuffled", lambda length, seed, start, count: torch.arange(count))
    assert len(torch.stack([task.batch(*moment, 20).inputs for moment in MOMENTS]).unique(dim=0)) == 3


def test_long_routes_are_cut(cache):
    config = Mazes.Config(
        size=9, route_length=4, train_mazes=300, validation_mazes=50, test_mazes=50, cache=cache, augment=False
    )
    batch = config.build().batch(0, 0, 300)
    assert batch.targets.shape == (300, 4)
    assert (batch.targets[:, 0] != WAIT).all()
    assert config.answer_shape == (4, 5)


def test_evaluation_is_fixed_and_neither_turned_nor_trained_on(task):
    tested = torch.cat([batch.inputs for batch in task.evaluation("test", 16)])
    assert torch.equal(tested, torch.cat([batch.inputs for batch in task.evaluation("test", 50)]))
    grids = task.stores["test"].grids()
    assert torch.equal(opened(tested)[0], grids.open)
    assert sum(len(batch.inputs) for batch in task.evaluation("train", 128)) == 300


def test_signed_pictures(task, cache):
    config = Mazes.Config(
        size=9, route_length=30, train_mazes=300, validation_mazes=50, test_mazes=50, cache=cache, signed=True
    )
    signed, unsigned = (which.batch(0, 0, 4).inputs for which in (config.build(), task))
    assert torch.equal(signed, unsigned * 2 - 1)
    assert signed.unique().tolist() == [-1, 1]


def thoughts(answers, certainty):
    """Thoughts that answer so, (B, T, S)."""
    return Thoughts(torch.nn.functional.one_hot(answers, 5).float(), certainty, None)


def test_scores_by_hand(task):
    targets = torch.tensor([[0, 1, WAIT, WAIT], [2, 2, 3, WAIT]])
    answers = torch.tensor([[[0, 1, 4, 4], [0, 0, 4, 4]], [[2, 2, 2, 2], [2, 0, 3, 4]]])
    scores = task.scores(thoughts(answers, torch.tensor([[0.9, 0.1], [0.1, 0.9]])), targets)
    assert scores["whole_accuracy"].tolist() == [1, 0]
    assert scores["accuracy"].tolist() == [1, 0.75]
    assert scores["route_accuracy"].tolist() == [1, pytest.approx(2 / 3)]
    assert scores["accuracy_by_step"].tolist() == [[1, 1, 1, 1], [1, 0, 1, 1]]
    assert task.primary_metric in scores


def test_the_loss_is_the_curriculum_at_two_ticks(cache):
    task = Mazes.Config(
        size=9, route_length=30, train_mazes=300, validation_mazes=50, test_mazes=50, cache=cache
    ).build()
    torch.manual_seed(1)
    logits, certainty, targets = torch.randn(4, 3, 30, 5), torch.rand(4, 3), torch.randint(5, (4, 30))
    for options in ({}, {"curriculum": "as_trained"}, {"lookahead": 9}, {"second_tick": "last"}):
        loss = ctm.CurriculumLoss(**options)
        losses = ctm.losses.curriculum_over_ticks(logits, targets, loss.lookahead, loss.curriculum)
        expected = ctm.two_tick_loss(losses, certainty, loss.second_tick)
        task.config = task.config.replace(loss=loss)
        assert torch.equal(task.loss(Thoughts(logits, certainty, None), targets), expected)


def test_an_answer_is_spelt_in_arrows(task):
    assert task.format_answer(torch.tensor([0, 0, 3, 1, 2, WAIT, WAIT])) == "↑↑→↓←"
    assert task.format_answer(torch.tensor([0, WAIT, 1, WAIT])) == "↑·↓"
    assert task.format_answer(torch.tensor([WAIT, WAIT])) == "no move"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "size = 8: expected odd, from 5 to 255"),
        ({"size": 3}, "size = 3: expected odd, from 5 to 255"),
        ({"size": 9, "least_size": 9}, "least_size = 9: expected odd, from 5 and below size = 9"),
        ({"size": 9, "least_size": 6}, "least_size = 6: expected odd, from 5"),
        ({"size": 9, "least_size": 3}, "least_size = 3: expected odd, from 5"),
        ({"size": 9, "least_size": 7, "folder": "mazes"}, "least_size = 7: expected nothing where folder or dataset"),
        ({"route_length": 0}, "route_length = 0: expected at least 1"),
        ({"test_mazes": 0}, "test_mazes = 0: expected at least 1"),
        ({"folder": "here", "dataset": "there"}, "folder = 'here': expected nothing where dataset is given"),
    ],
)
def test_nonsense_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Mazes.Config(**options)


def test_training_and_evaluation_can_use_it(task):
    check_task(task)
