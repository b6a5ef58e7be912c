"""Photographs: ImageNet and CIFAR-10 (sections 5, E and G.1); models without a task so far."""

import ctm
from ctm.recipes import machine
from ctm.registry import register
from ctm.tasks.variants import feed_forward, with_snapshots


@register("imagenet/paper")
def imagenet() -> ctm.MachineConfig:
    """ImageNet-1K as in the paper (E.1), the model alone."""
    return machine(
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


@register("cifar10/paper")
def cifar10() -> ctm.MachineConfig:
    """CIFAR-10 as in the paper (G.1), the model alone."""
    return machine(
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


@register("cifar10/lstm")
def cifar10_lstm() -> ctm.MachineConfig:
    """An LSTM for CIFAR-10 as in the paper (G.1), trained like the machine."""
    return with_snapshots(cifar10(), ctm.LSTMCore.Config(256, layers=2))


@register("cifar10/feed-forward")
def cifar10_feed_forward() -> ctm.MachineConfig:
    """A feed-forward model for CIFAR-10 as in the paper (G.1), as wide as the machine."""
    return feed_forward(cifar10(), ctm.Pooling.Config(), ctm.FeedForwardCore.Config(256))
