"""Questions about handwritten digits (appendix G.5, Table 6)."""

import functools

import ctm
from ctm.recipes import machine, training
from ctm.registry import register
from ctm.tasks.images.known import DIGITS
from ctm.tasks.qamnist.task import QuestionsAboutDigits
from ctm.tasks.variants import at_last_tick, register_variants, with_snapshots


@register("qamnist/quick")
def quick() -> ctm.Experiment:
    """Questions about one or two digits of 8x8 pixels, no download: ten minutes on a laptop."""
    return ctm.Experiment(
        task=QuestionsAboutDigits.Config(
            images=DIGITS, resolution=8, digits=(1, 2), operations=(1, 2), evaluation_samples=256
        ),
        model=model(repeats=2, neurons=256, memory=6, hidden=8, widths=(32, 64), pools=(False, True)),
        training=training(8000, learning_rate=1e-3, warmup=200, every=500, weight_decay=0.01),
    )


register_variants("qamnist/quick", quick)


def paper(repeats: int, memory: int) -> ctm.Experiment:
    """Questions about 1 to 4 digits of MNIST, with 1 to 4 operations, as in the paper (Table 6)."""
    return ctm.Experiment(
        task=QuestionsAboutDigits.Config(),
        model=model(repeats, neurons=1024, memory=memory, hidden=16, widths=(64, 64), pools=(True, True)),
        training=training(300_000, learning_rate=1e-4, warmup=500, clip=None),
    )


for _repeats, _memory in ((1, 3), (10, 30)):
    register(f"qamnist/paper-{_repeats}")(functools.partial(paper, _repeats, _memory))


def paper_lstm(repeats: int, neurons: int) -> ctm.Experiment:
    """An LSTM for questions about digits of MNIST as in the paper (Table 6), trained at the last tick."""
    experiment = at_last_tick(paper(repeats, memory=1))
    observer = experiment.model.observer.replace(projected=True)
    lstm = with_snapshots(experiment.model, ctm.LSTMCore.Config(neurons))
    return experiment.replace(model=lstm.replace(observer=observer))


for _repeats, _neurons in ((1, 741), (10, 875)):
    register(f"qamnist/lstm-{_repeats}")(functools.partial(paper_lstm, _repeats, _neurons))


def model(
    repeats: int, *, neurons: int, memory: int, hidden: int, widths: tuple[int, int], pools: tuple[bool, bool]
) -> ctm.MachineConfig:
    """A machine that sees every part for `repeats` ticks, and has as many to answer."""
    return machine(
        ticks=repeats,
        backbone=ctm.PerFrame.Config(ctm.ConvNet.Config(widths, pools)),
        observer=ctm.Scheduled.Config(ctm.CrossAttention.Config(embedding=64, heads=4), repeats),
        neurons=neurons,
        memory=memory,
        hidden=hidden,
        output=ctm.SemiDense(32),
        answer_shape=(10,),
    )
