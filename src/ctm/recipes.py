"""What most presets have in common: a machine with its own core, and a training that warms up and cools down."""

from typing import Any

from ctm.backbones.base import BackboneConfig
from ctm.cores.neuron import NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers.base import ObserverConfig
from ctm.pairings import Pairing
from ctm.readouts import ClassReadout
from ctm.synapses import SynapseConfig, SynapseMLP
from ctm.synchronization import NoRepresentation, Synchronization
from ctm.training.clipping import NoClipping, NormClipping
from ctm.training.config import AdamW, TrainingConfig
from ctm.training.schedules import Cosine

SYNAPSES = SynapseMLP.Config()
"""The paper's plain synapses."""


def machine(
    *,
    ticks: int,
    backbone: BackboneConfig,
    observer: ObserverConfig,
    neurons: int,
    memory: int,
    hidden: int,
    output: Pairing,
    answer_shape: tuple[int, ...],
    action: Pairing | None = None,
    synapses: SynapseConfig = SYNAPSES,
    dropout: float = 0.0,
) -> MachineConfig:
    """A machine with neuron-level models of two layers, read by synchronization.

    Args:
        ticks: T.
        backbone: turns the data into features.
        observer: what is seen of them at a tick.
        neurons: D.
        memory: M.
        hidden: H, hidden width of the neuron-level models.
        output: which pairs of neurons answer.
        answer_shape: (*answer, C), as `TaskConfig.answer_shape`.
        action: which pairs of neurons look, where the observer is driven by a query; by default as `output`.
        synapses: how neurons are connected.
        dropout: of the neuron-level models.
    """
    return MachineConfig(
        ticks=ticks,
        backbone=backbone,
        observer=observer,
        core=NeuronCore.Config(neurons, memory, synapses, NeuronModels.Config(hidden, dropout=dropout)),
        action=Synchronization.Config(action or output) if observer.uses_query else NoRepresentation.Config(),
        output=Synchronization.Config(output),
        readout=ClassReadout.Config(answer_shape[-1], answer_shape[:-1]),
    )


def training(
    iterations: int,
    *,
    learning_rate: float,
    warmup: int,
    every: int = 1000,
    clip: float | None = 1.0,
    weight_decay: float = 0.0,
    **others: Any,
) -> TrainingConfig:
    """A training with AdamW, a warm-up and a cosine.

    Args:
        iterations: optimiser steps.
        learning_rate: at the end of the warm-up.
        warmup: steps.
        every: steps from one evaluation, and one checkpoint, to the next.
        clip: the largest norm of all gradients together; nothing to leave them as they are.
        weight_decay: decoupled.
        others: fields of `TrainingConfig`.
    """
    settings: dict[str, Any] = {
        "optimizer": AdamW(learning_rate, weight_decay),
        "schedule": Cosine(warmup),
        "clipping": NoClipping() if clip is None else NormClipping(clip),
        "evaluate_every": every,
        "checkpoint_every": every,
    }
    return TrainingConfig(iterations, **settings | others)
