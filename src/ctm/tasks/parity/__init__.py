"""Cumulative parity of a sequence of signs (section 6, appendix F)."""

from ctm.tasks.parity.task import Parity

__all__ = ["Parity"]
