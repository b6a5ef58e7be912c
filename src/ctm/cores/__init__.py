"""Recurrences over the latent state: (z, o) -> z', once per tick."""

from ctm.cores.base import Core, CoreConfig
from ctm.cores.lstm import LSTMCore
from ctm.cores.memoryless import FeedForwardCore, SynapseCore
from ctm.cores.neuron import NeuronCore

__all__ = ["Core", "CoreConfig", "FeedForwardCore", "LSTMCore", "NeuronCore", "SynapseCore"]
