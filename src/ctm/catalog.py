"""Named models and experiments: the paper's, and some that a laptop trains in minutes.

A preset is a function without arguments; its name is how the command line and `ctm.build` call it.
"""

import difflib
import functools
from collections.abc import Callable

import torch

from ctm.backbones import DigitConvolutions, ResNet, TokenEmbedding
from ctm.config import ConfigError
from ctm.core import NeuronCore
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers import CrossAttention
from ctm.pairings import Dense, RandomPairs, SemiDense
from ctm.positions import FourierPositions, RotationalPositions
from ctm.readouts import Readout
from ctm.synapses import SynapseMLP, SynapseUNet
from ctm.synchronization import Synchronization
from ctm.tasks.digits import Digits
from ctm.tasks.mnist import Mnist
from ctm.tasks.parity import Parity
from ctm.training.clipping import NormClipping, QuantileClipping
from ctm.training.config import AdamW, Experiment, TrainingConfig
from ctm.training.schedules import Cosine

_PRESETS: dict[str, Callable[[], Experiment | MachineConfig]] = {}


def presets() -> list[str]:
    """The names of all presets, for `build`, `preset` and the command line."""
    return list(_PRESETS)


def preset(name: str) -> Experiment | MachineConfig:
    """The configuration of a preset: an experiment, or a model alone where the task is still to come.

    Raises:
        ConfigError: for an unknown name, with the nearest one.
    """
    if name not in _PRESETS:
        close = difflib.get_close_matches(name, _PRESETS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_PRESETS)}"
        raise ConfigError(f"preset = {name!r}: unknown; {hint}")
    return _PRESETS[name]()


def model_config(name: str) -> MachineConfig:
    """The model of a preset."""
    config = preset(name)
    return config.model if isinstance(config, Experiment) else config


def build(name: str, seed: int = 0) -> ContinuousThoughtMachine:
    """The model of a preset, with fresh weights.

    Args:
        name: a preset, such as "digits" or "parity/paper-75".
        seed: of the weights; the global random state is left alone.

    Raises:
        ConfigError: for an unknown name.
    """
    config = model_config(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return config.build()


def summary(name: str) -> str:
    """One line about a preset."""
    make = _PRESETS[name]
    function = make.func if isinstance(make, functools.partial) else make
    return (function.__doc__ or "").splitlines()[0]


def _register(name: str):
    def register(make: Callable[[], Experiment | MachineConfig]):
        _PRESETS[name] = make
        return make

    return register


@_register("digits")
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


@_register("mnist")
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
        backbone=DigitConvolutions.Config(widths, pools),
        observer=CrossAttention.Config(embedding, 4, FourierPositions.Config(), dropout),
        core=NeuronCore.Config(128, 10, SynapseMLP.Config(dropout=dropout), NeuronModels.Config(hidden=8)),
        action=Synchronization.Config(Dense(32)),
        output=Synchronization.Config(Dense(32)),
        readout=Readout.Config(classes=10),
    )


@_register("parity/quick")
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
    _register(f"parity/paper-{_ticks}")(functools.partial(parity_paper, _ticks, _memory))


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


@_register("mazes/paper")
def mazes_paper() -> MachineConfig:
    """39x39 mazes as in the paper (D.2), the model alone."""
    return MachineConfig(
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
    )


@_register("imagenet/paper")
def imagenet_paper() -> MachineConfig:
    """ImageNet-1K as in the paper (E.1), the model alone."""
    return MachineConfig(
        ticks=50,
        backbone=ResNet.Config(depth=152, stages=4),
        observer=CrossAttention.Config(embedding=1024, heads=16, dropout=0.2),
        core=NeuronCore.Config(
            neurons=4096,
            memory=25,
            synapses=SynapseUNet.Config(levels=8, dropout=0.2),
            models=NeuronModels.Config(hidden=64),
        ),
        action=Synchronization.Config(RandomPairs(2048, self_pairs=32)),
        output=Synchronization.Config(RandomPairs(8196, self_pairs=32)),
        readout=Readout.Config(classes=1000),
    )


@_register("cifar10/paper")
def cifar10_paper() -> MachineConfig:
    """CIFAR-10 as in the paper (G.1), the model alone."""
    return MachineConfig(
        ticks=50,
        backbone=ResNet.Config(depth=18, stages=1),
        observer=CrossAttention.Config(embedding=64, heads=16),
        core=NeuronCore.Config(
            neurons=256,
            memory=15,
            synapses=SynapseUNet.Config(levels=5),
            models=NeuronModels.Config(hidden=64),
        ),
        action=Synchronization.Config(RandomPairs(512)),
        output=Synchronization.Config(RandomPairs(256)),
        readout=Readout.Config(classes=10),
    )
