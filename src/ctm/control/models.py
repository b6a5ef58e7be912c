"""The models of appendix G.6: machines and LSTMs that act, of the sizes of Tables 7 to 9."""

from ctm.backbones import BackboneConfig
from ctm.cores import CoreConfig, LSTMCore, NeuronCore
from ctm.machine import MachineConfig
from ctm.neurons import NeuronModels
from ctm.observers import Direct, Pooling
from ctm.pairings import Dense
from ctm.readouts import ActorCritic
from ctm.synapses import SynapseMLP
from ctm.synchronization import RepresentationConfig, Snapshot
from ctm.windowed import WindowedSynchronization


def control_machine(
    backbone: BackboneConfig,
    actions: int,
    *,
    ticks: int,
    memory: int,
    neurons: int,
    hidden: int,
    listening: int,
    cells: int | None = None,
    continuous: bool = False,
) -> MachineConfig:
    """A machine with synapses of two blocks, read over a window as long as its memory.

    Args:
        backbone: turns observations into features, such as `GatedPerceptron.Config(4, width=128)` for four numbers.
        actions: how many there are, or how many numbers an action has.
        ticks: T, for each observation.
        memory: M, of the neurons, and of the window of the synchronization.
        neurons: D.
        hidden: H, hidden width of the neuron-level models.
        listening: J, between how many neurons all pairs are read.
        cells: how many cells the features have, to see each of them, such as 49 for those of `GridCells`; nothing to
            see a vector, or the mean of a map.
        continuous: whether an action is a vector of numbers.
    """
    core = NeuronCore.Config(neurons, memory, SynapseMLP.Config(blocks=2), NeuronModels.Config(hidden))
    output = WindowedSynchronization.Config(Dense(listening), window=memory)
    return _acting(backbone, core, output, ActorCritic.Config(actions, continuous), ticks, cells)


def control_lstm(
    backbone: BackboneConfig,
    actions: int,
    *,
    ticks: int,
    neurons: int,
    cells: int | None = None,
    continuous: bool = False,
) -> MachineConfig:
    """An LSTM in its place, which acts with its hidden state.

    Args:
        backbone: as for `control_machine`.
        actions: as for `control_machine`.
        ticks: as for `control_machine`.
        neurons: as for `control_machine`.
        cells: as for `control_machine`.
        continuous: as for `control_machine`.
    """
    readout = ActorCritic.Config(actions, continuous)
    return _acting(backbone, LSTMCore.Config(neurons), Snapshot.Config(), readout, ticks, cells)


def _acting(
    backbone: BackboneConfig,
    core: CoreConfig,
    output: RepresentationConfig,
    readout: ActorCritic.Config,
    ticks: int,
    cells: int | None,
) -> MachineConfig:
    observer = Direct.Config() if backbone.dimensions == 0 else Pooling.Config(cells)
    return MachineConfig(ticks=ticks, backbone=backbone, observer=observer, core=core, output=output, readout=readout)
