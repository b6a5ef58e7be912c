"""Machines that act in environments (appendix G.6): agents and their policies, environments as tensors, whole episodes."""

from ctm.control.agent import Agent
from ctm.control.environments import EnvironmentConfig, Environments, Episodes, Step
from ctm.control.models import control_lstm, control_machine
from ctm.control.policies import Policy, policy, sample
from ctm.control.spaces import Actions, Observations, Spaces

__all__ = [
    "Actions",
    "Agent",
    "EnvironmentConfig",
    "Environments",
    "Episodes",
    "Observations",
    "Policy",
    "Spaces",
    "Step",
    "control_lstm",
    "control_machine",
    "policy",
    "sample",
]
