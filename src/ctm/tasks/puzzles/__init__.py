"""Grids of symbols in, grids of symbols out: published puzzles of others."""

from ctm.tasks.puzzles.mazes import MazePaths
from ctm.tasks.puzzles.task import Puzzles, PuzzlesConfig

__all__ = ["MazePaths", "Puzzles", "PuzzlesConfig"]
