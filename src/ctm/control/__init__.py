"""Machines that act: an agent that carries its thoughts from observation to observation, and its policies (G.6)."""

from ctm.control.agent import Agent
from ctm.control.models import control_lstm, control_machine
from ctm.control.policies import Policy, policy, sample

__all__ = ["Agent", "Policy", "control_lstm", "control_machine", "policy", "sample"]
