"""Sudoku of 4x4, 6x6 and 9x9, drawn at random or published."""

from ctm.tasks.sudoku.task import Sudoku

__all__ = ["Sudoku"]
