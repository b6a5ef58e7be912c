"""Sorting real numbers (appendix G.4)."""

import ctm
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.tasks.sort.task import Sort


@register("sort/quick")
def quick() -> ctm.Experiment:
    """Sorting 8 numbers: ten minutes on a laptop."""
    return ctm.Experiment(
        task=Sort.Config(numbers=8),
        model=model(numbers=8, ticks=20, neurons=128, memory=10, pairs=64),
        training=training(10_000, learning_rate=8e-3, warmup=100, batch_size=128),
    )


@register("sort/paper")
def paper() -> ctm.Experiment:
    """Sorting 30 numbers as in the paper (G.4), which gives no sizes: chosen here."""
    return ctm.Experiment(
        task=Sort.Config(numbers=30),
        model=model(numbers=30, ticks=75, neurons=512, memory=25, pairs=256),
        training=training(100_000, learning_rate=2e-3, warmup=1000, batch_size=128),
    )


def model(numbers: int, ticks: int, *, neurons: int, memory: int, pairs: int) -> ctm.MachineConfig:
    """A machine that sees all numbers at every tick, and says one of their places or nothing (appendix G.4)."""
    return machine(
        ticks=ticks,
        backbone=ctm.Identity.Config(channels=numbers, dimensions=0),
        observer=ctm.Direct.Config(),
        neurons=neurons,
        memory=memory,
        hidden=4,
        output=ctm.RandomPairs(pairs),
        answer_shape=(numbers + 1,),
    )
