"""Recurrences over the latent state: (z, o) -> z', once per tick."""

from ctm.cores.baselines import FeedForwardCore, LSTMCore, SynapseCore
from ctm.cores.neuron import Core, CoreConfig, NeuronCore

__all__ = ["Core", "CoreConfig", "FeedForwardCore", "LSTMCore", "NeuronCore", "SynapseCore"]
