"""Digits on a laptop: scikit-learn's and MNIST, after the authors' notebook."""

from ctm.backbones import ConvNet
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.attention import CrossAttention
from ctm.pairings import Dense
from ctm.positions import FourierPositions
from ctm.readouts.classes import Readout
from ctm.registry import register
from ctm.synapses import SynapseMLP
from ctm.synchronization import Synchronization
from ctm.tasks.digits import Digits
from ctm.tasks.mnist import Mnist
from ctm.training.clipping import NormClipping
from ctm.training.config import AdamW, Experiment, TrainingConfig
from ctm.training.schedules import Cosine


@register("digits")
def digits() -> Experiment:
    """Handwritten digits of 8x8 pixels, no download: a minute or two on a laptop."""
    return Experiment(
        task=Digits.Config(shift=1),
        model=small_picture_model(widths=(32, 64), pools=(False, True), embedding=64, dropout=0.2),
        training=TrainingConfig(
            iterations=1500,
            optimizer=AdamW(learning_rate=1e-3, weight_decay=0.2),
            schedule=Cosine(warmup=50),
            clipping=NormClipping(1.0),
            evaluate_every=100,
            checkpoint_every=100,
        ),
    )


@register("mnist")
def mnist() -> Experiment:
    """MNIST: a few minutes on a laptop; needs --task.folder or a network."""
    return Experiment(
        task=Mnist.Config(),
        model=small_picture_model(widths=(16, 32), pools=(True, True), embedding=32, dropout=0.0),
        training=TrainingConfig(
            iterations=2500,
            optimizer=AdamW(learning_rate=2e-3),
            schedule=Cosine(warmup=100),
            clipping=NormClipping(1.0),
            evaluate_every=500,
            checkpoint_every=250,
        ),
    )


def small_picture_model(
    widths: tuple[int, ...], pools: tuple[bool, ...], embedding: int, dropout: float
) -> MachineConfig:
    """A machine for small grey pictures of digits, after the authors' MNIST notebook."""
    return MachineConfig(
        ticks=15,
        backbone=ConvNet.Config(widths, pools),
        observer=CrossAttention.Config(embedding, 4, FourierPositions.Config(), dropout),
        core=NeuronCore.Config(128, 10, SynapseMLP.Config(dropout=dropout), NeuronModels.Config(hidden=8)),
        action=Synchronization.Config(Dense(32)),
        output=Synchronization.Config(Dense(32)),
        readout=Readout.Config(classes=10),
    )
