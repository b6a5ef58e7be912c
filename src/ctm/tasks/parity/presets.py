"""Cumulative parity (section 6, appendix F, Table 3)."""

import functools

import ctm
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.tasks.parity.task import Parity
from ctm.tasks.variants import at_last_tick, register_variants, with_snapshots
from ctm.training.clipping import NoClipping, QuantileClipping


@register("parity/quick")
def quick() -> ctm.Experiment:
    """Cumulative parity of 9 signs: two minutes on a laptop."""
    return ctm.Experiment(
        task=Parity.Config(length=9),
        model=model(length=9, ticks=12, neurons=128, memory=6, hidden=8, embedding=64, heads=4, synchronized=16),
        training=training(2600, learning_rate=2e-3, warmup=100, every=200, clip=None),
    )


register_variants("parity/quick", quick)


def paper(ticks: int, memory: int) -> ctm.Experiment:
    """Cumulative parity of 64 signs as in the paper (Table 3)."""
    return ctm.Experiment(
        task=Parity.Config(length=64),
        model=model(64, ticks, neurons=1024, memory=memory, hidden=16, embedding=512, heads=8, synchronized=32),
        training=training(200_000, learning_rate=1e-4, warmup=500, clipping=QuantileClipping(0.9)),
    )


for _ticks, _memory in ((1, 1), (10, 5), (25, 10), (50, 25), (75, 25), (100, 50)):
    register(f"parity/paper-{_ticks}")(functools.partial(paper, _ticks, _memory))


LSTM_WIDTHS = {1: 669, 10: 686, 25: 707, 50: 765, 75: 765, 100: 857}
"""D of the LSTMs of Table 3, by ticks. The table says 706 for 25 ticks; its count of parameters is that of 707."""


def paper_lstm(ticks: int) -> ctm.Experiment:
    """An LSTM for cumulative parity of 64 signs as in the paper (Table 3), trained at the last tick."""
    experiment = at_last_tick(paper(ticks, memory=1))
    return experiment.replace(
        model=with_snapshots(experiment.model, ctm.LSTMCore.Config(LSTM_WIDTHS[ticks])),
        training=experiment.training.replace(clipping=NoClipping()),
    )


for _ticks in LSTM_WIDTHS:
    register(f"parity/lstm-{_ticks}")(functools.partial(paper_lstm, _ticks))


def model(
    length: int, ticks: int, *, neurons: int, memory: int, hidden: int, embedding: int, heads: int, synchronized: int
) -> ctm.MachineConfig:
    """A machine for parity: semi-dense pairs, rotational positions (appendix F.4)."""
    return machine(
        ticks=ticks,
        backbone=ctm.TokenEmbedding.Config(embedding),
        observer=ctm.CrossAttention.Config(embedding, heads, ctm.RotationalPositions.Config(1)),
        neurons=neurons,
        memory=memory,
        hidden=hidden,
        output=ctm.SemiDense(synchronized),
        answer_shape=(length, 2),
    )
