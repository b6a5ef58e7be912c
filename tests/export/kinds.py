"""A few small machines that have every kind of part between them."""

from dataclasses import dataclass

import torch
from torch import nn

import ctm
from ctm.backbones import without_published_weights
from ctm.inputs import Inputs
from machines import inputs_for, perturbed

SYNCHRONIZATION = ctm.Synchronization.Config(ctm.RandomPairs(4))
MLP = ctm.SynapseMLP.Config()


class Recent(ctm.HistoryModel):
    """A model of one's own."""

    @dataclass(frozen=True)
    class Config(ctm.NeuronModelConfig, kind="recent"):
        def build(self, neurons: int, memory: int) -> "Recent":
            return Recent(neurons, memory)

    def __init__(self, neurons: int, memory: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(neurons, memory))

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        return (history * self.weight).sum(-1).tanh()


KINDS = {
    "sequence": {
        "backbone": ctm.TokenEmbedding.Config(6),
        "observer": ctm.CrossAttention.Config(8, 2, ctm.RotationalPositions.Config(1), dropout=0.2),
        "core": ctm.NeuronCore.Config(
            12, 3, ctm.SynapseMLP.Config(2, dropout=0.2), ctm.NeuronModels.Config(3, layer_norm=True, dropout=0.1)
        ),
        "action": ctm.Synchronization.Config(ctm.SemiDense(4)),
        "output": ctm.Synchronization.Config(ctm.RandomPairs(7, self_pairs=3)),
        "readout": ctm.ClassReadout.Config(3, (3,)),
    },
    "question": {
        "backbone": ctm.PerFrame.Config(ctm.ConvNet.Config((6,), (True,))),
        "observer": ctm.Scheduled.Config(ctm.CrossAttention.Config(8, 2), repeats=2, projected=True),
        "core": ctm.NeuronCore.Config(14, 1, ctm.SynapseUNet.Config(3, 4), ctm.NeuronModels.Config(None)),
        "action": ctm.Synchronization.Config(ctm.Dense(3)),
        "output": ctm.Synchronization.Config(ctm.Dense(4)),
    },
    "picture": {
        "backbone": ctm.ConvNet.Config((6,), (True,)),
        "observer": ctm.CrossAttention.Config(8, 4, ctm.FourierPositions.Config(3)),
        "core": ctm.LSTMCore.Config(12, layers=2, joined=True),
        "action": ctm.Snapshot.Config(),
        "output": ctm.Snapshot.Config(),
        "readout": ctm.ClassReadout.Config(2, (2, 2)),
    },
    "features": {
        "backbone": ctm.Identity.Config(6),
        "observer": ctm.Pooling.Config(),
        "core": ctm.SynapseCore.Config(12, MLP),
        "output": ctm.WindowedSynchronization.Config(ctm.Dense(3), 4),
    },
    "table": {
        "backbone": ctm.FeatureTokens.Config(7, 6),
        "observer": ctm.CrossAttention.Config(8, 1),
        "core": ctm.LSTMCore.Config(12),
        "action": ctm.WindowedSynchronization.Config(ctm.RandomPairs(5), 2),
        "output": ctm.WindowedSynchronization.Config(ctm.RandomPairs(5), 1),
    },
    "controller": {
        "backbone": ctm.GatedPerceptron.Config(7, 6, normalised=True),
        "observer": ctm.Direct.Config(),
        "core": ctm.FeedForwardCore.Config(12, "glu"),
        "output": ctm.Snapshot.Config(),
        "readout": ctm.ActorCritic.Config(3),
    },
    "view": {
        "backbone": ctm.GridCells.Config(6, view=3),
        "observer": ctm.Pooling.Config(9),
        "core": ctm.FeedForwardCore.Config(12, "relu"),
        "output": SYNCHRONIZATION,
        "readout": ctm.ActorCritic.Config(2, continuous=True, hidden=5),
    },
    "series": {
        "backbone": ctm.ConvNet.Config((5, 6), (True, False), dimensions=1),
        "observer": ctm.CrossAttention.Config(8, 2),
        "core": ctm.NeuronCore.Config(12, 2, MLP, Recent.Config()),
        "action": SYNCHRONIZATION,
        "output": SYNCHRONIZATION,
    },
    "lattice": {
        "backbone": ctm.LatticeNet.Config(6, blocks=1, input_channels=1),
        "observer": ctm.CrossAttention.Config(8, 2, ctm.RotationalPositions.Config(2, harmonics=2)),
        "core": ctm.NeuronCore.Config(12, 2, MLP, ctm.NeuronModels.Config(2)),
        "action": SYNCHRONIZATION,
        "output": SYNCHRONIZATION,
    },
    "photo": {
        "backbone": ctm.ResNet.Config(18, 1),
        "observer": ctm.CrossAttention.Config(8, 2, ctm.RotationalPositions.Config(2)),
        "core": ctm.NeuronCore.Config(12, 2, MLP, ctm.NeuronModels.Config(2)),
        "action": SYNCHRONIZATION,
        "output": SYNCHRONIZATION,
    },
    "published": {
        "backbone": ctm.PretrainedResNet.Config("none.pth", depth=18, stages=1),
        "observer": ctm.Pooling.Config(),
        "core": ctm.FeedForwardCore.Config(12),
        "output": SYNCHRONIZATION,
    },
    "module": {
        "backbone": ctm.wrap(nn.Sequential(nn.Linear(7, 6), nn.Tanh()), channels=6, dimensions=0),
        "observer": ctm.Direct.Config(),
        "core": ctm.SynapseCore.Config(12, ctm.SynapseUNet.Config(2, 3)),
        "output": SYNCHRONIZATION,
    },
}


def machine(kind: str) -> ctm.ContinuousThoughtMachine:
    """One of them, in evaluation mode, with weights away from special values."""
    config = ctm.MachineConfig(**{"ticks": 3, "readout": ctm.ClassReadout.Config(3), **KINDS[kind]})
    with without_published_weights():
        return perturbed(config.build()).eval()


def inputs(model: ctm.ContinuousThoughtMachine, batch: int) -> Inputs:
    """Random inputs that it takes."""
    backbone = model.config.backbone
    if isinstance(backbone, ctm.ResNet.Config | ctm.PretrainedResNet.Config):
        return torch.randn(batch, 3, 8, 8)
    return torch.randn(batch, 7) if isinstance(backbone, ctm.ModuleBackbone) else inputs_for(model.config, batch)
