"""The paper's baselines and ablations of any machine, with as many parameters as the machine has.

>>> model = ctm.preset("parity/quick").model
>>> ctm.baselines.lstm(model).build()

Each takes the fewest neurons with which it has at least as many parameters as the machine it is made from, so that none
is at a disadvantage. This gives the widths of the paper's LSTMs for parity and, with synchronization, for mazes.
"""

import bisect
import functools
from collections.abc import Callable

import torch

from ctm.cores.base import CoreConfig
from ctm.cores.lstm import LSTMCore
from ctm.cores.memoryless import FeedForwardCore, SynapseCore
from ctm.cores.neuron import NeuronCore
from ctm.errors import ConfigError
from ctm.machine import MachineConfig
from ctm.observers.fixed import Pooling
from ctm.synchronization import NoRepresentation, Snapshot

MOST = 1 << 15
"""The largest width that is tried."""


@functools.cache
def parameters(model: MachineConfig) -> int:
    """How many parameters a machine has."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in model.build().parameters())


def lstm(model: MachineConfig, layers: int = 1, joined: bool = False) -> MachineConfig:
    """An LSTM that looks and answers with its hidden state.

    Args:
        model: what it stands in for.
        layers: as for `LSTMCore.Config`.
        joined: as for `LSTMCore.Config`.
    """
    bare = model.replace(action=_snapshot_if_asked(model), output=Snapshot.Config())
    return _as_large(model, bare, lambda neurons: LSTMCore.Config(neurons, layers, joined))


def lstm_with_synchronization(model: MachineConfig, layers: int = 2) -> MachineConfig:
    """An LSTM whose hidden state is read through synchronization, as the neurons of a machine are (appendix G.3)."""
    return _as_large(model, model, lambda neurons: LSTMCore.Config(neurons, layers))


def without_neuron_models(model: MachineConfig) -> MachineConfig:
    """A machine whose synapses say what its neurons do (appendix G.3, where more layers of synapses make up for it).

    Raises:
        ConfigError: if it has no neuron-level models.
    """
    synapses = _neurons(model).synapses
    return _as_large(model, model, lambda neurons: SynapseCore.Config(neurons, synapses))


def without_synchronization(model: MachineConfig) -> MachineConfig:
    """A machine that looks and answers with its post-activations themselves (appendix G.3).

    Raises:
        ConfigError: if it has no neuron-level models.
    """
    core = _neurons(model)
    bare = model.replace(action=_snapshot_if_asked(model), output=Snapshot.Config())
    return _as_large(model, bare, lambda neurons: core.replace(neurons=neurons))


def feed_forward(model: MachineConfig, cells: int | None = None) -> MachineConfig:
    """A hidden layer on all features, which answers at once.

    Args:
        model: what it stands in for.
        cells: how many cells the map of features has, to see each of them, with gated units (appendix D.4); without
            it the layer sees their mean, with rectified units (appendix G.1).
    """
    bare = model.replace(
        ticks=1, observer=Pooling.Config(cells), action=NoRepresentation.Config(), output=Snapshot.Config()
    )
    activation = "relu" if cells is None else "glu"
    return _as_large(model, bare, lambda neurons: FeedForwardCore.Config(neurons, activation))


def _snapshot_if_asked(model: MachineConfig) -> Snapshot.Config | NoRepresentation.Config:
    return Snapshot.Config() if model.observer.uses_query else NoRepresentation.Config()


def _neurons(model: MachineConfig) -> NeuronCore.Config:
    if not isinstance(model.core, NeuronCore.Config):
        raise ConfigError(f"core.kind = {model.core.kind!r}: expected 'neurons', to take something from")
    return model.core


def _as_large(model: MachineConfig, bare: MachineConfig, core: Callable[[int], CoreConfig]) -> MachineConfig:
    """`bare` with the narrowest core that gives it at least as many parameters as `model`."""
    wanted = parameters(model)
    widths = range(max(1, bare.action.exclusive_neurons + bare.output.exclusive_neurons), MOST)
    place = bisect.bisect_left(widths, wanted, key=lambda width: parameters(bare.replace(core=core(width))))
    return bare.replace(core=core(widths[min(place, len(widths) - 1)]))
