"""Sorting real numbers (appendix G.4)."""

from ctm.backbones import Identity
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.attention import Direct
from ctm.pairings import RandomPairs
from ctm.readouts.classes import Readout
from ctm.registry import register
from ctm.synapses import SynapseMLP
from ctm.synchronization import Synchronization
from ctm.tasks.sort import Sort
from ctm.training.clipping import NormClipping
from ctm.training.config import AdamW, Experiment, TrainingConfig
from ctm.training.schedules import Cosine


@register("sort/quick")
def sort_quick() -> Experiment:
    """Sorting 8 numbers: ten minutes on a laptop."""
    return Experiment(
        task=Sort.Config(numbers=8),
        model=sort_model(numbers=8, ticks=20, neurons=128, memory=10, hidden=4, pairs=64),
        training=TrainingConfig(
            iterations=10_000,
            batch_size=128,
            optimizer=AdamW(learning_rate=8e-3),
            schedule=Cosine(warmup=100),
            clipping=NormClipping(1.0),
            evaluate_every=1000,
            checkpoint_every=1000,
        ),
    )


@register("sort/paper")
def sort_paper() -> Experiment:
    """Sorting 30 numbers as in the paper (G.4), which gives no sizes: chosen here."""
    return Experiment(
        task=Sort.Config(numbers=30),
        model=sort_model(numbers=30, ticks=75, neurons=512, memory=25, hidden=4, pairs=256),
        training=TrainingConfig(
            iterations=100_000,
            batch_size=128,
            optimizer=AdamW(learning_rate=2e-3),
            schedule=Cosine(warmup=1000),
            clipping=NormClipping(1.0),
        ),
    )


def sort_model(*, numbers: int, ticks: int, neurons: int, memory: int, hidden: int, pairs: int) -> MachineConfig:
    """A machine that sees all numbers at every tick, and says one of their places or nothing (appendix G.4)."""
    return MachineConfig(
        ticks=ticks,
        backbone=Identity.Config(channels=numbers, dimensions=0),
        observer=Direct.Config(),
        core=NeuronCore.Config(neurons, memory, SynapseMLP.Config(), NeuronModels.Config(hidden)),
        output=Synchronization.Config(RandomPairs(pairs)),
        readout=Readout.Config(classes=numbers + 1),
    )
