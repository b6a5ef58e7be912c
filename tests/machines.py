"""Small machines of every kind, for property tests."""

import torch
from hypothesis import strategies as st
from torch import nn

import ctm
from ctm.inputs import Inputs, tree_map

SYMBOLS = ((0, 2), (-2, 0), (0, 2))
"""What may stand in a question about two pictures: index, operator, index."""


@st.composite
def pairings(draw: st.DrawFn) -> ctm.Config:
    if draw(st.booleans()):
        return draw(st.sampled_from([ctm.Dense, ctm.SemiDense]))(draw(st.integers(1, 5)))
    pairs = draw(st.integers(1, 12))
    return ctm.RandomPairs(pairs, self_pairs=draw(st.integers(0, pairs)))


def representations() -> st.SearchStrategy:
    return st.one_of(
        st.builds(ctm.Synchronization.Config, pairings()),
        st.builds(ctm.WindowedSynchronization.Config, pairings(), st.integers(1, 4)),
        st.just(ctm.Snapshot.Config()),
    )


def synapses(dropout: st.SearchStrategy[float]) -> st.SearchStrategy:
    return st.one_of(
        st.builds(ctm.SynapseMLP.Config, blocks=st.integers(1, 2), dropout=dropout),
        st.builds(ctm.SynapseUNet.Config, levels=st.integers(2, 4), bottleneck=st.integers(3, 8), dropout=dropout),
    )


@st.composite
def cores(draw: st.DrawFn, dropout: st.SearchStrategy[float]) -> ctm.Config:
    """Recurrences of every kind; more often than not the CTM's own."""
    neurons = st.integers(10, 14)
    models = st.builds(
        ctm.NeuronModels.Config,
        hidden=st.one_of(st.none(), st.integers(1, 4)),
        layer_norm=st.booleans(),
        dropout=dropout,
    )
    own = st.builds(ctm.NeuronCore.Config, neurons, st.integers(1, 5), synapses(dropout), models)
    others = st.one_of(
        st.builds(ctm.LSTMCore.Config, neurons, layers=st.integers(1, 3), joined=st.booleans()),
        st.builds(ctm.SynapseCore.Config, neurons, synapses(dropout)),
        st.builds(ctm.FeedForwardCore.Config, neurons, st.sampled_from(["relu", "glu"]), dropout),
    )
    return draw(st.one_of(own, own, others))


CLASSES = st.builds(ctm.ClassReadout.Config, st.integers(2, 4), st.sampled_from([(), (3,), (2, 2)]))


def readouts() -> st.SearchStrategy:
    """Of every kind."""
    actors = st.builds(ctm.ActorCritic.Config, st.integers(2, 3), st.booleans(), st.integers(1, 5))
    return st.one_of(CLASSES, actors)


@st.composite
def machine_configs(
    draw: st.DrawFn, dropout: st.SearchStrategy[float] | None = None, readout: st.SearchStrategy = CLASSES
) -> ctm.MachineConfig:
    """Configurations over all kinds of parts, small enough to think in milliseconds; they answer with classes."""
    dropout = st.just(0.0) if dropout is None else dropout
    observers = (
        (ctm.TokenEmbedding.Config(6), ctm.RotationalPositions.Config(1)),
        (ctm.ConvNet.Config((5, 6), (True, False)), ctm.RotationalPositions.Config(2)),
        (
            ctm.ConvNet.Config((6,), (True,)),
            ctm.FourierPositions.Config(draw(st.sampled_from([1, 3]))),
        ),
        (ctm.LatticeNet.Config(6, blocks=1, input_channels=1), ctm.RotationalPositions.Config(2, harmonics=2)),
        (ctm.Identity.Config(channels=6, dimensions=2), ctm.NoPositions()),
        (ctm.Identity.Config(channels=6, dimensions=0), None),
        (ctm.PerFrame.Config(ctm.ConvNet.Config((6,), (True,))), ctm.NoPositions()),
        (ctm.ConvNet.Config((5, 6), (True, False), dimensions=1), ctm.RotationalPositions.Config(1)),
        (ctm.FeatureTokens.Config(7, 6), ctm.NoPositions()),
        (ctm.GatedPerceptron.Config(7, 6), None),
        (ctm.GridCells.Config(6, view=3), ctm.NoPositions()),
    )
    backbone, positions = draw(st.sampled_from(observers))
    heads = draw(st.sampled_from([1, 2, 4]))
    if positions is None:
        observer = ctm.Direct.Config()
    elif isinstance(backbone, ctm.PerFrame.Config):
        look = ctm.CrossAttention.Config(8, heads, dropout=draw(dropout))
        observer = ctm.Scheduled.Config(look, repeats=draw(st.integers(1, 2)), projected=draw(st.booleans()))
    elif isinstance(backbone, ctm.Identity.Config | ctm.GridCells.Config) and draw(st.booleans()):
        cells = 12 if isinstance(backbone, ctm.Identity.Config) else 9
        observer = draw(st.sampled_from([ctm.Pooling.Config(), ctm.Pooling.Config(cells)]))
    else:
        observer = ctm.CrossAttention.Config(8, heads, positions, draw(dropout))
    return ctm.MachineConfig(
        ticks=draw(st.integers(1, 6)),
        backbone=backbone,
        observer=observer,
        core=draw(cores(dropout)),
        action=draw(representations()) if observer.uses_query else ctm.NoRepresentation.Config(),
        output=draw(representations()),
        readout=draw(readout),
        seed=draw(st.integers(0, 3)),
    )


def perturbed(model: nn.Module) -> nn.Module:
    """The model with every parameter away from special values: no zero biases, no unit temperatures, real decays."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.rand_like(parameter)
            parameter.copy_(noise if name.endswith("decay") else parameter + 0.2 * (noise - 0.5))
    return model


def inputs_for(config: ctm.MachineConfig, batch: int) -> Inputs:
    """Random inputs that the machine takes."""
    if shows_in_turn(config):
        return torch.randn(batch, 2, 1, 4, 6), torch.stack([torch.randint(*ends, (batch,)) for ends in SYMBOLS], dim=1)
    if isinstance(config.backbone, ctm.TokenEmbedding.Config):
        return torch.randint(2, (batch, 7)) * 2.0 - 1
    if isinstance(config.backbone, ctm.ConvNet.Config | ctm.LatticeNet.Config):
        return torch.randn(batch, 1, *(8, 6)[: config.backbone.dimensions])
    if isinstance(config.backbone, ctm.FeatureTokens.Config | ctm.GatedPerceptron.Config):
        return torch.randn(batch, 7)
    if isinstance(config.backbone, ctm.GridCells.Config):
        return torch.stack([torch.randint(count, (batch, 3, 3)) for count in (11, 6, 3)], dim=-1)
    return torch.randn(batch, 6, *(3, 4)[: config.backbone.dimensions])


def shows_in_turn(config: ctm.MachineConfig) -> bool:
    """Whether the machine sees two pictures and three symbols, one after the other."""
    return isinstance(config.observer, ctm.Scheduled.Config)


def doubled(inputs: Inputs) -> Inputs:
    """Numbers in double precision, symbols as they are."""
    return tree_map(lambda tensor: tensor.double() if tensor.is_floating_point() else tensor, inputs)
