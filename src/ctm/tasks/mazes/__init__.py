"""Routes through mazes, from their pictures (sections 4 and D)."""

from ctm.tasks.mazes.task import Mazes

__all__ = ["Mazes"]
