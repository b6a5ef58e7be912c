"""What the machine says."""

from ctm.readouts.actor_critic import ActorCritic
from ctm.readouts.base import Readout, ReadoutConfig
from ctm.readouts.classes import ClassReadout

__all__ = ["ActorCritic", "ClassReadout", "Readout", "ReadoutConfig"]
