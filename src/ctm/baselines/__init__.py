"""What the machine is compared with: other parts for the same loop, and the paper's ablations of any machine."""

from ctm.baselines.ablations import (
    feed_forward,
    lstm,
    lstm_with_synchronization,
    parameters,
    without_neuron_models,
    without_synchronization,
)
from ctm.baselines.cores import FeedForwardCore, LSTMCore, SynapseCore
from ctm.baselines.observers import Whole

__all__ = [
    "FeedForwardCore",
    "LSTMCore",
    "SynapseCore",
    "Whole",
    "feed_forward",
    "lstm",
    "lstm_with_synchronization",
    "parameters",
    "without_neuron_models",
    "without_synchronization",
]
