"""Sorting real numbers, the answer emitted over ticks (appendix G.4)."""

from ctm.tasks.sort.task import Sort

__all__ = ["Sort"]
