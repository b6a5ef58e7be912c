"""Acting in environments: batches of Gymnasium environments as tensors, and whole episodes of them."""

from ctm.control.environments import EnvironmentConfig, Environments, Episodes, Step
from ctm.control.episodes import Moment, bootstrap_interval, play, watch
from ctm.control.spaces import Actions, Observations, Spaces

__all__ = [
    "Actions",
    "EnvironmentConfig",
    "Environments",
    "Episodes",
    "Moment",
    "Observations",
    "Spaces",
    "Step",
    "bootstrap_interval",
    "play",
    "watch",
]
