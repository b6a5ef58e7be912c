"""Pictures: digits, MNIST, CIFAR, ImageNet (sections 5, E, G.1, G.2), and folders of one's own."""

import functools
from collections.abc import Callable
from typing import Any

import ctm
from ctm import baselines
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.tasks.images.augmentation import Crop, Flip, ResizedCrop
from ctm.tasks.images.auto_augment import AutoAugment
from ctm.tasks.images.known import CIFAR10, CIFAR100, DIGITS, IMAGENET, MNIST
from ctm.tasks.images.task import Images
from ctm.tasks.variants import feed_forward, with_snapshots


@register("digits")
def digits() -> ctm.Experiment:
    """Handwritten digits of 8x8 pixels, no download: a minute or two on a laptop."""
    return ctm.Experiment(
        task=DIGITS,
        model=_small_machine(widths=(32, 64), pools=(False, True), embedding=64, dropout=0.2),
        training=training(1500, learning_rate=1e-3, warmup=50, every=100, weight_decay=0.2),
    )


@register("mnist")
def mnist() -> ctm.Experiment:
    """MNIST: a few minutes on a laptop; needs --task.data FOLDER or a network."""
    return ctm.Experiment(
        task=MNIST,
        model=_small_machine(widths=(16, 32), pools=(True, True), embedding=32, dropout=0.0),
        training=training(2500, learning_rate=2e-3, warmup=100, evaluate_every=500, checkpoint_every=250),
    )


@register("images/quick")
def own() -> ctm.Experiment:
    """A folder of pictures of yours, a subfolder for each class, --task.data FOLDER: minutes on a laptop."""
    return ctm.Experiment(
        task=Images.Config(augmentations=(Crop(4, "reflect"), Flip())),
        model=_small_machine(widths=(32, 64, 128), pools=(True, True, True), embedding=64, dropout=0.1, colours=3),
        training=training(1500, learning_rate=2e-3, warmup=50, every=100, weight_decay=0.1),
    )


@register("cifar10/quick")
def cifar10_quick() -> ctm.Experiment:
    """CIFAR-10 in twenty minutes on two cores; needs --task.data FOLDER or a network."""
    model = machine(
        ticks=10,
        backbone=ctm.ConvNet.Config(
            widths=(32, 64, 64, 128, 128, 256, 256),
            pools=(True, False, True, False, False, True, False),
            input_channels=3,
        ),
        observer=ctm.CrossAttention.Config(embedding=64, heads=4),
        neurons=128,
        memory=8,
        hidden=8,
        output=ctm.Dense(32),
        answer_shape=(10,),
    )
    return ctm.Experiment(
        task=CIFAR10.replace(augmentations=(Crop(4), Flip())),
        model=model,
        training=training(3600, batch_size=128, learning_rate=1e-3, warmup=300, weight_decay=0.1, every=600),
    )


@register("cifar10/quick-lstm")
def cifar10_quick_lstm() -> ctm.Experiment:
    """As `cifar10/quick`, with an LSTM of as many parameters, trained with the same loss for as long."""
    return _in_its_place(baselines.lstm, iterations=4300)


@register("cifar10/quick-feed-forward")
def cifar10_quick_feed_forward() -> ctm.Experiment:
    """As `cifar10/quick`, with a feed-forward model of as many parameters, trained for as long."""
    return _in_its_place(baselines.feed_forward, iterations=4750)


@register("cifar10/paper")
def cifar10() -> ctm.Experiment:
    """CIFAR-10 as in the paper (G.1)."""
    model = machine(
        ticks=50,
        backbone=ctm.ResNet.Config(depth=18, stages=1),
        observer=ctm.CrossAttention.Config(embedding=64, heads=16),
        neurons=256,
        memory=15,
        hidden=64,
        synapses=ctm.SynapseUNet.Config(levels=5),
        action=ctm.RandomPairs(512),
        output=ctm.RandomPairs(256),
        answer_shape=(10,),
    )
    settings: dict[str, Any] = {"batch_size": 512, "weight_decay": 1e-4, "every": 2000, "clip": None}
    return ctm.Experiment(
        task=CIFAR10.replace(augmentations=(AutoAugment(),)),
        model=model,
        training=training(600_000, learning_rate=1e-4, warmup=2000, **settings),
    )


@register("cifar10/lstm")
def cifar10_lstm() -> ctm.Experiment:
    """An LSTM for CIFAR-10 as in the paper (G.1), trained like the machine."""
    experiment = cifar10()
    return experiment.replace(model=with_snapshots(experiment.model, ctm.LSTMCore.Config(256, layers=2)))


@register("cifar10/feed-forward")
def cifar10_feed_forward() -> ctm.Experiment:
    """A feed-forward model for CIFAR-10 as in the paper (G.1), as wide as the machine."""
    experiment = cifar10()
    model = feed_forward(experiment.model, ctm.Pooling.Config(), ctm.FeedForwardCore.Config(256))
    return experiment.replace(model=model)


def cifar100(neurons: int) -> ctm.Experiment:
    """CIFAR-100 with a machine of so many neurons, as in the paper (G.2.1); its training is that of `cifar10/paper`."""
    model = machine(
        ticks=50,
        backbone=ctm.ResNet.Config(depth=34, stages=2),
        observer=ctm.CrossAttention.Config(embedding=512, heads=8, dropout=0.2),
        neurons=neurons,
        memory=25,
        hidden=32,
        synapses=ctm.SynapseUNet.Config(levels=4, dropout=0.2),
        action=ctm.RandomPairs(1024, self_pairs=32),
        output=ctm.RandomPairs(2048, self_pairs=32),
        answer_shape=(100,),
    )
    return _cifar100(model, weight_decay=0.0)


def cifar100_ticks(ticks: int) -> ctm.Experiment:
    """CIFAR-100 with a machine that thinks for so many ticks, as in the paper (G.2.2); trained like `cifar10/paper`."""
    model = machine(
        ticks=ticks,
        backbone=ctm.ResNet.Config(depth=18, stages=2),
        observer=ctm.CrossAttention.Config(embedding=256, heads=4),
        neurons=512,
        memory=25,
        hidden=16,
        synapses=ctm.SynapseUNet.Config(levels=2),
        output=ctm.RandomPairs(256),
        answer_shape=(100,),
    )
    return _cifar100(model, weight_decay=1e-3)


for _neurons in (256, 512, 1024, 2048, 4096):
    register(f"cifar100/width-{_neurons}")(functools.partial(cifar100, _neurons))
for _ticks in (50, 75, 100):
    register(f"cifar100/ticks-{_ticks}")(functools.partial(cifar100_ticks, _ticks))


@register("imagenet/paper")
def imagenet() -> ctm.Experiment:
    """ImageNet-1K as in the paper (E.1), on 8 GPUs."""
    model = machine(
        ticks=50,
        backbone=ctm.ResNet.Config(depth=152, stages=4),
        observer=ctm.CrossAttention.Config(embedding=1024, heads=16, dropout=0.2),
        neurons=4096,
        memory=25,
        hidden=64,
        synapses=ctm.SynapseUNet.Config(levels=8, dropout=0.2),
        action=ctm.RandomPairs(2048, self_pairs=32),
        output=ctm.RandomPairs(8196, self_pairs=32),
        answer_shape=(1000,),
    )
    settings: dict[str, Any] = {"batch_size": 8 * 64, "devices": 8, "precision": "fp16", "workers": 8, "clip": 20.0}
    return ctm.Experiment(
        task=IMAGENET.replace(augmentations=(ResizedCrop(224), Flip()), replacement=True),
        model=model,
        training=training(
            500_000, learning_rate=5e-4, warmup=10_000, evaluate_every=5000, evaluation_batch=64, **settings
        ),
    )


def _in_its_place(baseline: Callable[[ctm.MachineConfig], ctm.MachineConfig], iterations: int) -> ctm.Experiment:
    experiment = cifar10_quick()
    settings = experiment.training.replace(iterations=iterations)
    return experiment.replace(model=baseline(experiment.model), training=settings)


def _cifar100(model: ctm.MachineConfig, weight_decay: float) -> ctm.Experiment:
    settings = cifar10().training
    optimizer = settings.optimizer.replace(weight_decay=weight_decay)
    task = CIFAR100.replace(augmentations=(AutoAugment(),))
    return ctm.Experiment(task=task, model=model, training=settings.replace(optimizer=optimizer))


def _small_machine(
    widths: tuple[int, ...], pools: tuple[bool, ...], embedding: int, dropout: float, colours: int = 1
) -> ctm.MachineConfig:
    """A machine for small pictures, after the authors' MNIST notebook."""
    return machine(
        ticks=15,
        backbone=ctm.ConvNet.Config(widths, pools, input_channels=colours),
        observer=ctm.CrossAttention.Config(embedding, 4, ctm.FourierPositions.Config(), dropout),
        neurons=128,
        memory=10,
        hidden=8,
        synapses=ctm.SynapseMLP.Config(dropout=dropout),
        output=ctm.Dense(32),
        answer_shape=(10,),
    )
