"""Machines that act (appendix G.6): agents and their policies, environments as tensors, and whole episodes of them."""

from ctm.control.agent import Agent
from ctm.control.environments import EnvironmentConfig, Environments, Episodes, Step
from ctm.control.episodes import EpisodeStep, bootstrap_interval, play, watch
from ctm.control.models import control_lstm, control_machine
from ctm.control.policies import Policy, policy, sample
from ctm.control.spaces import Actions, Observations, Spaces

__all__ = [
    "Actions",
    "Agent",
    "EnvironmentConfig",
    "Environments",
    "EpisodeStep",
    "Episodes",
    "Observations",
    "Policy",
    "Spaces",
    "Step",
    "bootstrap_interval",
    "control_lstm",
    "control_machine",
    "play",
    "policy",
    "sample",
    "watch",
]
