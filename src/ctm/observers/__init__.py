"""What the machine sees at a tick."""

from ctm.observers.attention import CrossAttention, Direct, Observation, Observer, ObserverConfig
from ctm.observers.pooling import Pooling
from ctm.observers.scheduled import Scheduled

__all__ = ["CrossAttention", "Direct", "Observation", "Observer", "ObserverConfig", "Pooling", "Scheduled"]
