"""What the machine sees at a tick."""

from ctm.observers.attention import CrossAttention
from ctm.observers.base import Observation, Observer, ObserverConfig, PreparedFeatures
from ctm.observers.fixed import Direct, Pooling
from ctm.observers.scheduled import Scheduled

__all__ = [
    "CrossAttention",
    "Direct",
    "Observation",
    "Observer",
    "ObserverConfig",
    "Pooling",
    "PreparedFeatures",
    "Scheduled",
]
