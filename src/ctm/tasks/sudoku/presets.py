"""Sudoku: small puzzles for a laptop, and the published hard ones."""

import functools
import math
from collections.abc import Callable

import ctm
from ctm.baselines import feed_forward
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.tasks.puzzles.presets import published
from ctm.tasks.sudoku.task import Sudoku
from ctm.tasks.variants import register_variants


@register("sudoku/4x4")
def small() -> ctm.Experiment:
    """Sudoku of 4x4 with 4 to 8 clues: minutes on a laptop."""
    backbone = ctm.ConvNet.Config(
        (64, 64), (False, False), input_channels=5
    )  # without pools, so that a place is a cell
    observer = ctm.CrossAttention.Config(embedding=64, heads=8, positions=ctm.FourierPositions.Config())
    return laptop(Sudoku.Config(size=4, clues=(4, 8)), backbone, observer, pairs=512, iterations=6000)


@register("sudoku/6x6")
def medium() -> ctm.Experiment:
    """Sudoku of 6x6 with 8 to 18 clues, all seen at every tick: for a laptop, not solved yet."""
    backbone, observer = ctm.Identity.Config(channels=7), ctm.Pooling.Config(cells=36)
    return laptop(Sudoku.Config(size=6, clues=(8, 18)), backbone, observer, pairs=1024, iterations=10_000)


def laptop(
    task: Sudoku.Config, backbone: ctm.BackboneConfig, observer: ctm.ObserverConfig, pairs: int, iterations: int
) -> ctm.Experiment:
    """A small machine and its training."""
    model = machine(
        ticks=12,
        backbone=backbone,
        observer=observer,
        neurons=256,
        memory=6,
        hidden=8,
        action=ctm.RandomPairs(128),
        output=ctm.RandomPairs(pairs),
        answer_shape=task.answer_shape,
    )
    return ctm.Experiment(task, model, training(iterations, learning_rate=2e-3, warmup=100, every=500))


def with_feed_forward(make: Callable[[], ctm.Experiment]) -> ctm.Experiment:
    """The same with a hidden layer on all that the backbone makes of the puzzle, which answers at once."""
    experiment = make()
    return experiment.replace(
        model=feed_forward(experiment.model, cells=math.prod(experiment.model.readout.shape[:-1]))
    )


for _name, _make in (("sudoku/4x4", small), ("sudoku/6x6", medium)):
    register_variants(_name, _make)
    _words = f"{_name} with a feed-forward model of as many parameters, which answers at once."
    register(f"{_name}-feed-forward", _words)(functools.partial(with_feed_forward, _make))


@register("sudoku/extreme")
def extreme() -> ctm.Experiment:
    """1,000 puzzles of 9x9 of the published sudoku-extreme, changed at random: for a GPU, sizes chosen here."""
    return published(
        Sudoku.Config(size=9, data="sudoku-extreme", train_puzzles=1000, test_puzzles=None),
        ticks=50,
        backbone=ctm.ConvNet.Config((128,) * 6, (False,) * 6, input_channels=10),
        batch_size=256,
    )
