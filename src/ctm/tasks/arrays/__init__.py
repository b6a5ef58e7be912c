"""Data of one's own: arrays and tables."""

from ctm.tasks.arrays.task import Arrays

__all__ = ["Arrays"]
