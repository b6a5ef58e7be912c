"""Mazes (sections 4, D and G.3)."""

import functools

import ctm
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.tasks.mazes.task import Mazes
from ctm.tasks.variants import at_last_tick, feed_forward, register_variants, with_snapshots


@register("mazes/quick")
def quick() -> ctm.Experiment:
    """9x9 mazes: a quarter of an hour on a laptop."""
    return ctm.Experiment(
        task=Mazes.Config(size=9, route_length=30, test_mazes=1000),
        model=machine(
            ticks=8,
            backbone=ctm.LatticeNet.Config(),
            observer=ctm.CrossAttention.Config(embedding=64, heads=4),
            neurons=256,
            memory=8,
            hidden=8,
            action=ctm.RandomPairs(64),
            output=ctm.RandomPairs(512),
            answer_shape=(30, 5),
        ),
        training=training(12_000, learning_rate=1e-3, warmup=100, every=500),
    )


register_variants("mazes/quick", quick)


@register("mazes/mixed")
def mixed() -> ctm.Experiment:
    """Mazes of 7x7 to 13x13, to walk through those of 19x19 and more: an hour of one core."""
    small = quick()
    return ctm.Experiment(
        task=Mazes.Config(size=13, least_size=7, route_length=30, test_mazes=1000),
        model=small.model.replace(backbone=ctm.LatticeNet.Config(blocks=6)),
        training=training(30_000, learning_rate=1e-3, warmup=100, every=1500, log_every=250),
    )


register_variants("mazes/mixed", mixed)


@register("mazes/15")
def ablation() -> ctm.Experiment:
    """15x15 mazes as in the paper's ablations (G.3, Table 4)."""
    return ctm.Experiment(
        task=Mazes.Config(size=15, route_length=50, signed=True, loss=ctm.CurriculumLoss("as_trained")),
        model=machine(
            ticks=50,
            backbone=ctm.ResNet.Config(depth=18, stages=1),
            observer=ctm.CrossAttention.Config(embedding=256, heads=4),
            neurons=1024,
            memory=25,
            hidden=32,
            synapses=ctm.SynapseUNet.Config(levels=8),
            output=ctm.RandomPairs(1024),
            answer_shape=(50, 5),
        ),
        training=training(
            100_000, learning_rate=1e-4, warmup=5000, clip=None, evaluate_every=2000, checkpoint_every=1000
        ),
    )


@register("mazes/paper")
def paper() -> ctm.Experiment:
    """39x39 mazes as in the paper (D.2)."""
    return ctm.Experiment(
        task=Mazes.Config(size=39, route_length=100, loss=ctm.CurriculumLoss("as_trained")),
        model=machine(
            ticks=75,
            backbone=ctm.ResNet.Config(depth=34, stages=2),
            observer=ctm.CrossAttention.Config(embedding=512, heads=16, dropout=0.1),
            neurons=2048,
            memory=25,
            hidden=32,
            synapses=ctm.SynapseUNet.Config(levels=8, dropout=0.1),
            dropout=0.1,
            action=ctm.Dense(32),
            output=ctm.Dense(64),
            answer_shape=(100, 5),
        ),
        training=training(1_000_000, learning_rate=1e-4, warmup=10_000, clip=None, evaluation_batch=128),
    )


def paper_lstm(layers: int) -> ctm.Experiment:
    """An LSTM for 39x39 mazes as in the paper (D.4), which also tried 50 ticks."""
    experiment = at_last_tick(paper())
    core = ctm.LSTMCore.Config(2048, layers, joined=True)
    return experiment.replace(model=with_snapshots(experiment.model, core))


for _layers in (1, 2, 3):
    register(f"mazes/lstm-{_layers}")(functools.partial(paper_lstm, _layers))


@register("mazes/feed-forward")
def paper_feed_forward() -> ctm.Experiment:
    """A feed-forward model for 39x39 mazes as in the paper (D.4)."""
    experiment = at_last_tick(paper())
    observer, core = ctm.Pooling.Config(cells=100), ctm.FeedForwardCore.Config(2048, "glu")
    return experiment.replace(model=feed_forward(experiment.model, observer, core))


@register("mazes/15-no-neuron-models")
def ablation_without_neuron_models() -> ctm.Experiment:
    """15x15 mazes without neuron-level models, with more synapses instead (Table 4)."""
    experiment = ablation()
    core = ctm.SynapseCore.Config(1045, ctm.SynapseUNet.Config(levels=10))
    return experiment.replace(model=experiment.model.replace(core=core))


@register("mazes/15-no-synchronization")
def ablation_without_synchronization() -> ctm.Experiment:
    """15x15 mazes without synchronization (Table 4)."""
    experiment = ablation()
    return experiment.replace(model=with_snapshots(experiment.model, experiment.model.core))


@register("mazes/15-lstm-synchronization")
def ablation_lstm_with_synchronization() -> ctm.Experiment:
    """15x15 mazes by an LSTM with synchronization (Table 4)."""
    experiment = ablation()
    return experiment.replace(model=experiment.model.replace(core=ctm.LSTMCore.Config(775, layers=2)))
