import pytest
import torch

from ctm.randomness import generator
from ctm.tasks.mazes.grid import Grids
from ctm.tasks.mazes.random_walk import random_walk
from tasks.mazes.drawn import some


def maze(picture, count=1):
    """A maze of characters: # is a wall, S the start, G the goal."""
    rows = picture.split()
    places = {letter: (row, line.index(letter)) for row, line in enumerate(rows) for letter in "SG" if letter in line}
    start, goal = (torch.tensor([places[letter]]).repeat(count, 1) for letter in "SG")
    open = torch.tensor([[letter != "#" for letter in line] for line in rows])
    return Grids(open.repeat(count, 1, 1), start, goal, torch.zeros(count, 1, dtype=torch.int64))


def test_a_corridor_is_walked_without_turning_back():
    corridor = maze("####### #S...G# #######", 3)
    assert random_walk(corridor, torch.tensor([3, 4, 9]), generator("walk")).tolist() == [0, 1, 1]


def test_a_dead_end_is_left_again():
    behind = maze("####### #.S..G# #######", 4)  # one move to the left and one back, or none, then three to the goal
    reached = random_walk(behind, torch.tensor([2, 3, 4, 5]), generator("walk"), walks=4000)
    assert reached[0] == 0
    assert reached[1:3].sub(0.5).abs().max() < 0.04
    assert reached[3] == 1


def test_every_way_on_is_equally_likely():
    crossing = maze("##### ##G## #.S.# ##.## #####")
    reached = random_walk(crossing, torch.tensor([1]), generator("walk"), walks=8000)
    assert reached.item() == pytest.approx(0.25, abs=0.02)


def test_an_opening_at_the_border_and_a_start_without_a_way_end_nowhere():
    assert random_walk(maze("S.#.G"), torch.tensor([50]), generator("walk")).item() == 0
    assert random_walk(maze("S#G"), torch.tensor([50]), generator("walk")).item() == 0


def test_the_longer_the_walk_the_more_goals_and_all_in_the_end():
    mazes = some(20, 11)
    lengths = (0, 10, 50, 20_000)
    reached = [random_walk(mazes, torch.full((20,), moves), generator("walk"), 50).mean() for moves in lengths]
    assert reached == sorted(reached)
    assert reached[0] == 0
    assert reached[-1] == 1
    again = random_walk(mazes, torch.full((20,), 50), generator("walk"), 50).mean()
    assert again == reached[2]
