"""Small data of the user's, and a machine that learns them in no time."""

import numpy as np

import ctm
from ctm.tasks.arrays import Arrays

SHAPES = [(5,), (7, 2), (6, 5, 3)]
"""Of a vector, a series and a map."""

SMALL = {
    "iterations": 3,
    "batch_size": 8,
    "accelerator": "cpu",
    "log_every": 1,
    "evaluate_every": 3,
    "checkpoint_every": 3,
}


def samples(shape=(5,), count=60, positions=(), names=("no", "yes", "maybe")):
    """Inputs far from a mean of 0 and a deviation of 1, and labels in text."""
    random = np.random.default_rng(0)
    return random.normal(3, 5, (count, *shape)), np.array(names)[random.integers(len(names), size=(count, *positions))]


def save(path, *pair, names=("x", "y")):
    np.savez(path, **dict(zip(names, pair, strict=True)))
    return str(path)


def experiment(**task):
    """The preset, small."""
    preset = ctm.preset("arrays")
    core = preset.model.core.replace(neurons=32, memory=3)
    few = ctm.Synchronization.Config(ctm.Dense(4))
    model = preset.model.replace(ticks=2, core=core, action=few, output=few)
    return preset.replace(task=Arrays.Config(**task), model=model, training=preset.training.replace(**SMALL))
