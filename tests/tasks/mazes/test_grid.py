import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.tasks.mazes.grid import DOWN, LEFT, RIGHT, UP, WAIT, padded, pictures, shortest_route, walk
from tasks.mazes.drawn import naive_walk, some


def maze(*rows):
    """An open grid of #, space, S and G as (1, S, S), with start and goal."""
    cells = torch.tensor([[cell != "#" for cell in row] for row in rows])
    start, goal = (
        torch.tensor([next((row, line.index(mark)) for row, line in enumerate(rows) if mark in line)]) for mark in "SG"
    )
    return cells[None], start, goal


SMALL = maze("#####", "#S  #", "### #", "#G  #", "#####")


def test_a_picture_has_the_authors_colours():
    seen = pictures(*SMALL)[0].permute(1, 2, 0)
    assert seen.shape == (5, 5, 3)
    assert seen[1].tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert seen[3, 1].tolist() == [0, 1, 0]


def test_a_walk_by_hand():
    opened, start, goal = SMALL
    route = torch.tensor([[RIGHT, RIGHT, DOWN, DOWN, LEFT, LEFT, WAIT]])
    done = walk(opened, start, route)
    assert done.places[0].tolist() == [[1, 1], [1, 2], [1, 3], [2, 3], [3, 3], [3, 2], [3, 1], [3, 1]]
    assert not done.mistakes.any()
    assert torch.equal(done.end, goal)


def test_a_walk_stops_at_the_goal_and_after_too_many_mistakes():
    opened, start, goal = SMALL
    beyond = torch.tensor([[RIGHT, RIGHT, DOWN, DOWN, LEFT, LEFT, RIGHT]])
    assert walk(opened, start, beyond).end.tolist() == [[3, 2]]
    assert torch.equal(walk(opened, start, beyond, goal=goal).end, goal)
    clumsy = torch.tensor([[UP, RIGHT, UP, RIGHT, UP, DOWN]])
    assert walk(opened, start, clumsy).end.tolist() == [[2, 3]]
    stopped = walk(opened, start, clumsy, mistakes=2)
    assert stopped.end.tolist() == [[1, 3]]
    assert stopped.mistakes[0].tolist() == [True, False, True, False, True, False]
    assert walk(opened, start, clumsy, mistakes=0).end.tolist() == [[1, 1]]


@given(seed=st.integers(0, 99), size=st.sampled_from([5, 9, 11]), data=st.data())
def test_any_moves_lead_where_a_walker_goes(seed, size, data):
    grids = some(3, size, seed)
    moves = torch.tensor(
        data.draw(st.lists(st.lists(st.integers(0, 4), min_size=8, max_size=8), min_size=3, max_size=3))
    )
    done = walk(grids.open, grids.start, moves)
    for index in range(3):
        end, mistakes = naive_walk(grids.open[index].tolist(), grids.start[index].tolist(), moves[index].tolist())
        assert tuple(done.end[index].tolist()) == end
        assert done.mistakes[index].sum() == mistakes


def test_a_walk_of_no_moves():
    opened, start, _ = SMALL
    done = walk(opened, start, torch.zeros(1, 0, dtype=torch.long))
    assert torch.equal(done.end, start)
    assert done.mistakes.shape == (1, 0)


def test_the_way_out_of_the_maze_is_a_wall():
    opened = torch.ones(1, 3, 3, dtype=torch.bool)
    done = walk(opened, torch.tensor([[0, 0]]), torch.tensor([[UP, LEFT, DOWN, DOWN, DOWN]]))
    assert done.mistakes[0].tolist() == [True, True, False, False, True]
    assert done.end.tolist() == [[2, 0]]


def test_the_shortest_of_two_ways():
    opened, _, _ = maze("#####", "#S G#", "# # #", "#   #", "#####")
    assert shortest_route(opened[0], (1, 1), (1, 3)) == [RIGHT, RIGHT]
    assert shortest_route(opened[0], (3, 2), (1, 3)) == [RIGHT, UP, UP]
    assert shortest_route(opened[0], (1, 1), (1, 1)) == []


def test_no_way():
    opened, _, _ = maze("#####", "#S#G#", "#####", "#   #", "#####")
    assert shortest_route(opened[0], (1, 1), (1, 3)) is None


@given(length=st.integers(1, 9), has=st.integers(0, 9))
def test_routes_are_cut_or_filled(length, has):
    moves = torch.zeros(2, has, dtype=torch.long)
    result = padded(moves, length)
    assert result.shape == (2, length)
    assert (result[:, :has] == UP).all()
    assert (result[:, has:] == WAIT).all()


def test_some_mazes_of_many():
    grids = some(5)
    few = grids.take(torch.tensor([3, 1]))
    assert torch.equal(few.open, grids.open[[3, 1]])
    assert torch.equal(few.moves, grids.moves[[3, 1]])
    assert torch.equal(few.lengths, grids.lengths[[3, 1]])
