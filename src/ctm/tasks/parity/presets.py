"""Cumulative parity (section 6, appendix F)."""

import functools

from ctm.backbones import TokenEmbedding
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.attention import CrossAttention
from ctm.pairings import SemiDense
from ctm.positions import RotationalPositions
from ctm.readouts.classes import Readout
from ctm.registry import register
from ctm.synapses import SynapseMLP
from ctm.synchronization import Synchronization
from ctm.tasks.parity import Parity
from ctm.training.clipping import QuantileClipping
from ctm.training.config import AdamW, Experiment, TrainingConfig
from ctm.training.schedules import Cosine


@register("parity/quick")
def parity_quick() -> Experiment:
    """Cumulative parity of 9 signs: two minutes on a laptop."""
    return Experiment(
        task=Parity.Config(length=9),
        model=parity_model(length=9, ticks=12, neurons=128, memory=6, hidden=8, embedding=64, heads=4, synchronized=16),
        training=TrainingConfig(
            iterations=2600,
            batch_size=64,
            optimizer=AdamW(learning_rate=2e-3),
            schedule=Cosine(warmup=100),
            evaluate_every=200,
            checkpoint_every=200,
        ),
    )


def parity_paper(ticks: int, memory: int) -> Experiment:
    """Cumulative parity of 64 signs as in the paper (Table 3)."""
    return Experiment(
        task=Parity.Config(length=64),
        model=parity_model(
            length=64,
            ticks=ticks,
            neurons=1024,
            memory=memory,
            hidden=16,
            embedding=512,
            heads=8,
            synchronized=32,
        ),
        training=TrainingConfig(
            iterations=200_000,
            batch_size=64,
            optimizer=AdamW(learning_rate=1e-4),
            schedule=Cosine(warmup=500),
            clipping=QuantileClipping(0.9),
            evaluate_every=1000,
            checkpoint_every=1000,
        ),
    )


for _ticks, _memory in ((1, 1), (10, 5), (25, 10), (50, 25), (75, 25), (100, 50)):
    register(f"parity/paper-{_ticks}")(functools.partial(parity_paper, _ticks, _memory))


def parity_model(
    *,
    length: int,
    ticks: int,
    neurons: int,
    memory: int,
    hidden: int,
    embedding: int,
    heads: int,
    synchronized: int,
) -> MachineConfig:
    """A machine for parity: semi-dense pairs, rotational positions (appendix F.4)."""
    return MachineConfig(
        ticks=ticks,
        backbone=TokenEmbedding.Config(embedding),
        observer=CrossAttention.Config(embedding, heads, RotationalPositions.Config(1)),
        core=NeuronCore.Config(neurons, memory, SynapseMLP.Config(), NeuronModels.Config(hidden)),
        action=Synchronization.Config(SemiDense(synchronized)),
        output=Synchronization.Config(SemiDense(synchronized)),
        readout=Readout.Config(classes=2, answer=(length,)),
    )
