"""Presets of the paper's LSTM and ablations, made of other presets, each with as many parameters."""

import functools
from collections.abc import Callable
from typing import Any

import ctm
from ctm.baselines import lstm, lstm_with_synchronization, without_neuron_models, without_synchronization
from ctm.registry import register

Change = Callable[[ctm.MachineConfig], ctm.MachineConfig]

VARIANTS: dict[str, tuple[Change, str]] = {
    "lstm": (lstm, "with an LSTM for a core, trained at the last tick"),
    "no-neuron-models": (without_neuron_models, "without neuron-level models"),
    "no-synchronization": (without_synchronization, "without synchronization"),
    "lstm-synchronization": (lstm_with_synchronization, "with an LSTM for a core, read by synchronization"),
}
"""By suffix of the name: the change, and what it does."""


def register_variants(name: str, make: Callable[[], ctm.Experiment]) -> None:
    """Makes presets of the LSTM and the ablations of a preset, named after it."""
    for suffix, (change, words) in VARIANTS.items():
        variant = functools.partial(_variant, make, change, last=suffix == "lstm")
        register(f"{name}-{suffix}", f"{name} {words}.")(variant)


def _variant(make: Callable[[], ctm.Experiment], change: Change, last: bool) -> ctm.Experiment:
    experiment = make()
    changed = experiment.replace(model=change(experiment.model))
    return at_last_tick(changed) if last else changed


def at_last_tick(experiment: ctm.Experiment) -> ctm.Experiment:
    """The same, trained at the last tick besides that of least loss, as the paper's baselines."""
    task: Any = experiment.task
    return experiment.replace(task=task.replace(loss=task.loss.replace(second_tick="last")))


def with_snapshots(model: ctm.MachineConfig, core: ctm.CoreConfig) -> ctm.MachineConfig:
    """A model with another core, which looks and answers with z itself."""
    return model.replace(core=core, action=ctm.Snapshot.Config(), output=ctm.Snapshot.Config())


def feed_forward(
    model: ctm.MachineConfig, observer: ctm.ObserverConfig, core: ctm.FeedForwardCore.Config
) -> ctm.MachineConfig:
    """A model that sees everything and answers at its only tick."""
    representations = {"action": ctm.NoRepresentation.Config(), "output": ctm.Snapshot.Config()}
    return model.replace(ticks=1, observer=observer, core=core, **representations)
