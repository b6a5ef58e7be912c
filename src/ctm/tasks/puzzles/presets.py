"""Published puzzles that are no Sudoku, and what the published ones have in common."""

import ctm
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.tasks.puzzles.mazes import MazePaths
from ctm.tasks.puzzles.task import PuzzlesConfig


@register("maze-30x30-hard")
def maze_paths() -> ctm.Experiment:
    """The published mazes of 30x30 symbols, whose path is marked cell by cell: for a GPU, sizes chosen here."""
    return published(
        MazePaths.Config(data="maze-30x30-hard-1k", train_puzzles=None, validation_puzzles=100, test_puzzles=None),
        ticks=75,
        backbone=ctm.ResNet.Config(depth=34, stages=2, input_channels=4),
        batch_size=64,
    )


def published(task: PuzzlesConfig, ticks: int, backbone: ctm.BackboneConfig, batch_size: int) -> ctm.Experiment:
    """A large machine for published puzzles, and its training."""
    model = machine(
        ticks=ticks,
        backbone=backbone,
        observer=ctm.CrossAttention.Config(embedding=512, heads=16, positions=ctm.FourierPositions.Config()),
        neurons=2048,
        memory=25,
        hidden=32,
        synapses=ctm.SynapseUNet.Config(levels=8),
        action=ctm.RandomPairs(1024),
        output=ctm.RandomPairs(2048),
        answer_shape=task.answer_shape,
    )
    settings = training(100_000, learning_rate=1e-4, warmup=2000, weight_decay=0.1, batch_size=batch_size, every=5000)
    return ctm.Experiment(task, model, settings)
