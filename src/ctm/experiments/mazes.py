"""Mazes (sections 4 and D)."""

from ctm.backbones import ResNet
from ctm.catalog import register
from ctm.core import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers import CrossAttention
from ctm.pairings import Dense
from ctm.readouts import Readout
from ctm.synapses import SynapseUNet
from ctm.synchronization import Synchronization


@register("mazes/paper")
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
