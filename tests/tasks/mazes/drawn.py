"""Mazes for the tests."""

import numpy as np

from ctm.randomness import generator
from ctm.tasks.mazes.generate import draw
from ctm.tasks.mazes.grid import STEPS, pictures, walk


def some(count=6, size=9, seed=0):
    """Random mazes with their routes."""
    return draw(count, size, generator("test", seed))


def painted(grids, index=0, solved=True):
    """The picture of a maze, (S, S, 3) bytes, with its solution in blue."""
    one = grids.take(slice(index, index + 1))
    pixels = (pictures(one.open, one.start, one.goal)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    if solved:
        for row, column in walk(one.open, one.start, one.moves[:, : one.lengths[0]]).places[0, 1:-1].tolist():
            pixels[row, column] = (0, 0, 255)
    return pixels


def naive_walk(rows, start, moves):
    """Where a route leads, and how many of its moves are into a wall, one move after the other."""
    place, mistakes = tuple(start), 0
    for move in moves:
        row, column = place[0] + STEPS[move][0], place[1] + STEPS[move][1]
        if 0 <= row < len(rows) and 0 <= column < len(rows) and rows[row][column]:
            place = row, column
        else:
            mistakes += 1
    return place, mistakes
