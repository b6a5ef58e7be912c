"""Photographs: ImageNet and CIFAR-10 (sections 5, E and G.1)."""

from ctm.backbones import ResNet
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.attention import CrossAttention
from ctm.pairings import RandomPairs
from ctm.readouts.classes import Readout
from ctm.registry import register
from ctm.synapses import SynapseUNet
from ctm.synchronization import Synchronization


@register("imagenet/paper")
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


@register("cifar10/paper")
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
