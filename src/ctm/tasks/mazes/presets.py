"""Mazes (sections 4, D and G.3)."""

from ctm.backbones import ConvNet, ResNet
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.attention import CrossAttention
from ctm.pairings import Dense, RandomPairs
from ctm.readouts.classes import Readout
from ctm.registry import register
from ctm.synapses import SynapseMLP, SynapseUNet
from ctm.synchronization import Synchronization
from ctm.tasks.mazes import Mazes
from ctm.training.clipping import NormClipping
from ctm.training.config import AdamW, Experiment, TrainingConfig
from ctm.training.schedules import Cosine


@register("mazes/quick")
def mazes_quick() -> Experiment:
    """9x9 mazes: a quarter of an hour on a laptop."""
    return Experiment(
        task=Mazes.Config(size=9, route_length=30, test_mazes=1000),
        model=MachineConfig(
            ticks=8,
            backbone=ConvNet.Config((48, 48, 48, 48), (False, True, False, False), input_channels=3),
            observer=CrossAttention.Config(embedding=64, heads=4),
            core=NeuronCore.Config(256, 8, SynapseMLP.Config(), NeuronModels.Config(hidden=8)),
            action=Synchronization.Config(RandomPairs(64)),
            output=Synchronization.Config(RandomPairs(256)),
            readout=Readout.Config(classes=5, answer=(30,)),
        ),
        training=TrainingConfig(
            iterations=8000,
            batch_size=64,
            optimizer=AdamW(learning_rate=1e-3),
            schedule=Cosine(warmup=100),
            clipping=NormClipping(1.0),
            evaluate_every=500,
            checkpoint_every=500,
        ),
    )


@register("mazes/15")
def mazes_15() -> Experiment:
    """15x15 mazes as in the paper's ablations (G.3, Table 4)."""
    return Experiment(
        task=Mazes.Config(size=15, route_length=50, signed=True, curriculum="as_trained"),
        model=MachineConfig(
            ticks=50,
            backbone=ResNet.Config(depth=18, stages=1),
            observer=CrossAttention.Config(embedding=256, heads=4),
            core=NeuronCore.Config(
                neurons=1024,
                memory=25,
                synapses=SynapseUNet.Config(levels=8),
                models=NeuronModels.Config(hidden=32),
            ),
            action=Synchronization.Config(RandomPairs(1024)),
            output=Synchronization.Config(RandomPairs(1024)),
            readout=Readout.Config(classes=5, answer=(50,)),
        ),
        training=TrainingConfig(
            iterations=100_000,
            optimizer=AdamW(learning_rate=1e-4),
            schedule=Cosine(warmup=5000),
            evaluate_every=2000,
        ),
    )


@register("mazes/paper")
def mazes_paper() -> Experiment:
    """39x39 mazes as in the paper (D.2)."""
    return Experiment(
        task=Mazes.Config(size=39, route_length=100, curriculum="as_trained"),
        model=MachineConfig(
            ticks=75,
            backbone=ResNet.Config(depth=34, stages=2),
            observer=CrossAttention.Config(embedding=512, heads=16, dropout=0.1),
            core=NeuronCore.Config(
                neurons=2048,
                memory=25,
                synapses=SynapseUNet.Config(levels=8, dropout=0.1),
                models=NeuronModels.Config(hidden=32, dropout=0.1),
            ),
            action=Synchronization.Config(Dense(32)),
            output=Synchronization.Config(Dense(64)),
            readout=Readout.Config(classes=5, answer=(100,)),
        ),
        training=TrainingConfig(
            iterations=1_000_000,
            optimizer=AdamW(learning_rate=1e-4),
            schedule=Cosine(warmup=10_000),
            evaluate_every=1000,
            evaluation_batch=128,
        ),
    )
