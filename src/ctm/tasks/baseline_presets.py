"""The paper's baselines and ablations, with its numbers of parameters (Tables 3 and 4, appendices D.4 and G.1)."""

import functools
from collections.abc import Callable

from ctm.baselines import (
    FeedForwardCore,
    LSTMCore,
    Pooling,
    SynapseCore,
    lstm,
    lstm_with_synchronization,
    without_neuron_models,
    without_synchronization,
)
from ctm.cores.neuron import CoreConfig
from ctm.losses.two_tick import Second
from ctm.machine import MachineConfig
from ctm.observers.attention import ObserverConfig
from ctm.registry import preset, register
from ctm.synapses import SynapseUNet
from ctm.synchronization import NoRepresentation, Snapshot
from ctm.tasks.parity.presets import parity_paper
from ctm.training.clipping import NoClipping
from ctm.training.config import Experiment

Change = Callable[[MachineConfig], MachineConfig]

PARITY_WIDTHS = {1: 669, 10: 686, 25: 707, 50: 765, 75: 765, 100: 857}
"""D of the LSTMs of Table 3, by ticks. The table says 706 for 25 ticks; its count of parameters is that of 707."""

VARIANTS: dict[str, tuple[Change, Second | None, str]] = {
    "lstm": (lstm, "last", "with an LSTM for a core, trained at the last tick"),
    "no-neuron-models": (without_neuron_models, None, "without neuron-level models"),
    "no-synchronization": (without_synchronization, None, "without synchronization"),
    "lstm-synchronization": (lstm_with_synchronization, None, "with an LSTM for a core, read by synchronization"),
}
"""By suffix of the name: the change, the second tick of its loss if it is another, and what it does."""


def changed(name: str, change: Change, second: Second | None = None) -> Experiment | MachineConfig:
    """A preset with its model changed, and the second tick of its loss, if one is given."""
    config = preset(name)
    if isinstance(config, MachineConfig):
        return change(config)
    task = config.task if second is None else config.task.replace(second=second)
    return config.replace(task=task, model=change(config.model))


def register_variants(name: str) -> None:
    """Makes presets of the LSTM and the ablations of a preset, each with as many parameters, and named after it."""
    for suffix, (change, second, words) in VARIANTS.items():
        _register_variant(name, suffix, change, second, words)


def _register_variant(name: str, suffix: str, change: Change, second: Second | None, words: str) -> None:
    def make() -> Experiment | MachineConfig:
        return changed(name, change, second)

    make.__doc__ = f"{name} {words}."
    register(f"{name}-{suffix}")(make)


for _name in ("parity/quick", "mazes/quick", "qamnist/quick"):
    register_variants(_name)


def parity_lstm(ticks: int) -> Experiment:
    """An LSTM for cumulative parity of 64 signs as in the paper (Table 3), trained at the last tick."""
    experiment = parity_paper(ticks, memory=1)
    return experiment.replace(
        task=experiment.task.replace(second="last"),
        model=recurrent(experiment.model, LSTMCore.Config(PARITY_WIDTHS[ticks])),
        training=experiment.training.replace(clipping=NoClipping()),
    )


for _ticks in PARITY_WIDTHS:
    register(f"parity/lstm-{_ticks}")(functools.partial(parity_lstm, _ticks))


def mazes_lstm(layers: int) -> Experiment | MachineConfig:
    """An LSTM for 39x39 mazes as in the paper (D.4), which also tried 50 ticks."""
    core = LSTMCore.Config(2048, layers, joined=True)
    return changed("mazes/paper", lambda model: recurrent(model, core), second="last")


for _layers in (1, 2, 3):
    register(f"mazes/lstm-{_layers}")(functools.partial(mazes_lstm, _layers))


@register("mazes/feed-forward")
def mazes_feed_forward() -> Experiment | MachineConfig:
    """A feed-forward model for 39x39 mazes as in the paper (D.4)."""
    core = FeedForwardCore.Config(2048, "glu")
    return changed("mazes/paper", lambda model: at_once(model, Pooling.Config(cells=100), core), second="last")


@register("mazes/15-no-neuron-models")
def mazes_15_without_neuron_models() -> Experiment | MachineConfig:
    """15x15 mazes without neuron-level models, with more synapses instead (Table 4)."""
    core = SynapseCore.Config(1045, SynapseUNet.Config(levels=10))
    return changed("mazes/15", lambda model: model.replace(core=core))


@register("mazes/15-no-synchronization")
def mazes_15_without_synchronization() -> Experiment | MachineConfig:
    """15x15 mazes without synchronization (Table 4)."""
    return changed("mazes/15", lambda model: recurrent(model, model.core))


@register("mazes/15-lstm-synchronization")
def mazes_15_lstm_with_synchronization() -> Experiment | MachineConfig:
    """15x15 mazes by an LSTM with synchronization (Table 4)."""
    return changed("mazes/15", lambda model: model.replace(core=LSTMCore.Config(775, layers=2)))


@register("cifar10/lstm")
def cifar10_lstm() -> Experiment | MachineConfig:
    """An LSTM for CIFAR-10 as in the paper (G.1), trained like the machine."""
    return changed("cifar10/paper", lambda model: recurrent(model, LSTMCore.Config(256, layers=2)))


@register("cifar10/feed-forward")
def cifar10_feed_forward() -> Experiment | MachineConfig:
    """A feed-forward model for CIFAR-10 as in the paper (G.1), as wide as the machine."""
    return changed("cifar10/paper", lambda model: at_once(model, Pooling.Config(), FeedForwardCore.Config(256)))


def recurrent(model: MachineConfig, core: CoreConfig) -> MachineConfig:
    """A model with another core, which looks and answers with z itself."""
    return model.replace(core=core, action=Snapshot.Config(), output=Snapshot.Config())


def at_once(model: MachineConfig, observer: ObserverConfig, core: FeedForwardCore.Config) -> MachineConfig:
    """A model that sees everything and answers at its only tick."""
    return model.replace(
        ticks=1, observer=observer, core=core, action=NoRepresentation.Config(), output=Snapshot.Config()
    )
