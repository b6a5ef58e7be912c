import itertools

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.randomness import generator
from ctm.tasks.mazes.grid import Grids, pictures, shortest_route, walk
from ctm.tasks.mazes.symmetry import VIEWS, augmented, fingerprints, moves_before, seen_from
from tasks.mazes.drawn import some


def places(seen, colour):
    """Where the pixel of a colour is in each picture, (B, 2)."""
    found = (seen == torch.tensor(colour).view(3, 1, 1)).all(1).nonzero()
    assert found[:, 0].tolist() == list(range(len(seen)))
    return found[:, 1:]


@given(seed=st.integers(0, 999), size=st.sampled_from([5, 9, 15]), count=st.integers(1, 9))
def test_the_remapped_route_walks_the_remapped_maze(seed, size, count):
    grids = some(count, size, seed)
    seen, moves = augmented(pictures(grids.open, grids.start, grids.goal), grids.moves, generator("turn", seed))
    done = walk(seen.amax(1) > 0, places(seen, (1.0, 0.0, 0.0)), moves)
    assert torch.equal(done.end, places(seen, (0.0, 1.0, 0.0)))
    assert not done.mistakes.any()


def test_all_eight_orientations_come_up_and_each_change_half_the_time():
    grids = some(1, 9)
    seen = pictures(grids.open, grids.start, grids.goal).repeat(4000, 1, 1, 1)
    turned, _ = augmented(seen, grids.moves.repeat(4000, 1), generator("turn"))
    ways = [way.rot90(turns, (1, 2)) for way in (seen[0], seen[0].flip(2)) for turns in range(4)]
    counts = [int((turned == way).flatten(1).all(1).sum()) for way in ways]
    assert sum(counts) == 4000
    expected = {0: 0.125, 1: 0.125, 2: 0.125, 3: 0.125}  # none, or both mirrors, and with p = 0.5 a quarter turn
    for turns, share in expected.items():
        assert abs(counts[turns] / 4000 - share) < 0.03
        assert abs(counts[4 + turns] / 4000 - share) < 0.03


def test_augmentation_follows_its_generator():
    grids = some(20)
    seen = pictures(grids.open, grids.start, grids.goal)
    first, again, other = (augmented(seen, grids.moves, generator("turn", key))[0] for key in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(seen, pictures(grids.open, grids.start, grids.goal))


def test_a_route_through_a_view_leads_through_the_maze_as_it_was():
    grids = some(6, 11)
    seen = pictures(grids.open, grids.start, grids.goal)
    views = torch.stack([seen_from(seen, view) for view in range(VIEWS)])
    assert torch.equal(views[0], seen)
    assert len(views[:, 0].unique(dim=0)) == VIEWS
    for view, mazes in enumerate(views):
        starts, goals = places(mazes, (1.0, 0.0, 0.0)).tolist(), places(mazes, (0.0, 1.0, 0.0)).tolist()
        for index, (start, goal) in enumerate(zip(starts, goals, strict=True)):
            route = shortest_route(mazes[index].amax(0) > 0, tuple(start), tuple(goal))
            assert torch.equal(moves_before(torch.tensor([route]), view)[0], grids.moves[index, : len(route)])


def test_a_fingerprint_is_that_of_all_orientations_and_of_no_other_maze():
    grids = some(30, 11)
    prints = fingerprints(grids)
    assert len(np.unique(prints)) == 30
    for turns, mirrored in itertools.product(range(4), (False, True)):
        opened = grids.open.rot90(turns, (1, 2))
        marks = torch.zeros(30, 2, 11, 11)
        every = torch.arange(30)
        for channel, place in enumerate((grids.start, grids.goal)):
            marks[every, channel, place[:, 0], place[:, 1]] = 1
        marks = marks.rot90(turns, (2, 3))
        if mirrored:
            opened, marks = opened.flip(2), marks.flip(3)
        start, goal = (marks[:, channel].nonzero()[:, 1:] for channel in range(2))
        assert np.array_equal(fingerprints(Grids(opened, start, goal, grids.moves)), prints)


def test_other_ends_make_another_maze():
    grids = some(10)
    swapped = grids._replace(start=grids.goal, goal=grids.start)
    assert not np.isin(fingerprints(swapped), fingerprints(grids)).any()
