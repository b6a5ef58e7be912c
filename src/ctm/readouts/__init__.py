"""What the machine says."""

from ctm.readouts.classes import Readout

__all__ = ["Readout"]
