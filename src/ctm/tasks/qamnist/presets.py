"""Questions about handwritten digits (appendix G.5)."""

import functools

from ctm.backbones import ConvNet, PerFrame
from ctm.baselines import LSTMCore
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.attention import CrossAttention
from ctm.observers.scheduled import Scheduled
from ctm.pairings import SemiDense
from ctm.readouts.classes import Readout
from ctm.registry import register
from ctm.synapses import SynapseMLP
from ctm.synchronization import Snapshot, Synchronization
from ctm.tasks.digits import Digits
from ctm.tasks.qamnist import QuestionsAboutDigits
from ctm.training.clipping import NormClipping
from ctm.training.config import AdamW, Experiment, TrainingConfig
from ctm.training.schedules import Cosine


@register("qamnist/quick")
def qamnist_quick() -> Experiment:
    """Questions about one or two digits of 8x8 pixels, no download: ten minutes on a laptop."""
    return Experiment(
        task=QuestionsAboutDigits.Config(
            images=Digits.Config(shift=1), resolution=8, digits=(1, 2), operations=(1, 2), evaluation_samples=256
        ),
        model=question_model(
            repeats=2,
            neurons=256,
            memory=6,
            hidden=8,
            embedding=64,
            widths=(32, 64),
            pools=(False, True),
            synchronized=32,
        ),
        training=TrainingConfig(
            iterations=8000,
            batch_size=64,
            optimizer=AdamW(learning_rate=1e-3, weight_decay=0.01),
            schedule=Cosine(warmup=200),
            clipping=NormClipping(1.0),
            evaluate_every=500,
            checkpoint_every=500,
        ),
    )


def qamnist_paper(repeats: int, memory: int) -> Experiment:
    """Questions about 1 to 4 digits of MNIST, with 1 to 4 operations, as in the paper (Table 6)."""
    return Experiment(
        task=QuestionsAboutDigits.Config(),
        model=question_model(
            repeats=repeats,
            neurons=1024,
            memory=memory,
            hidden=16,
            embedding=64,
            widths=(64, 64),
            pools=(True, True),
            synchronized=32,
        ),
        training=PAPER,
    )


PAPER = TrainingConfig(
    iterations=300_000,
    batch_size=64,
    optimizer=AdamW(learning_rate=1e-4),
    schedule=Cosine(warmup=500),
    evaluate_every=1000,
    checkpoint_every=1000,
)


for _repeats, _memory in ((1, 3), (10, 30)):
    register(f"qamnist/paper-{_repeats}")(functools.partial(qamnist_paper, _repeats, _memory))


def qamnist_lstm(repeats: int, neurons: int) -> Experiment:
    """An LSTM for questions about digits of MNIST as in the paper (Table 6), trained at the last tick."""
    paper = qamnist_paper(repeats, memory=1)
    observer = paper.model.observer
    assert isinstance(observer, Scheduled.Config)
    return paper.replace(
        task=paper.task.replace(second="last"),
        model=paper.model.replace(
            observer=observer.replace(projected=True),
            core=LSTMCore.Config(neurons),
            action=Snapshot.Config(),
            output=Snapshot.Config(),
        ),
    )


for _repeats, _neurons in ((1, 741), (10, 875)):
    register(f"qamnist/lstm-{_repeats}")(functools.partial(qamnist_lstm, _repeats, _neurons))


def question_model(
    *,
    repeats: int,
    neurons: int,
    memory: int,
    hidden: int,
    embedding: int,
    widths: tuple[int, int],
    pools: tuple[bool, bool],
    synchronized: int,
) -> MachineConfig:
    """A machine that sees every part for `repeats` ticks, and has as many to answer."""
    return MachineConfig(
        ticks=repeats,
        backbone=PerFrame.Config(ConvNet.Config(widths, pools)),
        observer=Scheduled.Config(CrossAttention.Config(embedding, 4), repeats),
        core=NeuronCore.Config(neurons, memory, SynapseMLP.Config(), NeuronModels.Config(hidden)),
        action=Synchronization.Config(SemiDense(synchronized)),
        output=Synchronization.Config(SemiDense(synchronized)),
        readout=Readout.Config(classes=10),
    )
