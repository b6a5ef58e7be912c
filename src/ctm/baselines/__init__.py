"""What the machine is compared with: other parts for the same loop, and the paper's ablations of any machine."""

from ctm.baselines.cores import FeedForwardCore, LSTMCore, SynapseCore
from ctm.baselines.observers import Flattened, Pooled

__all__ = ["FeedForwardCore", "Flattened", "LSTMCore", "Pooled", "SynapseCore"]
