"""What the machine says."""

from ctm.readouts.base import Readout, ReadoutConfig
from ctm.readouts.classes import ClassReadout

__all__ = ["ClassReadout", "Readout", "ReadoutConfig"]
