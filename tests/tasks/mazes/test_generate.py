import collections

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.randomness import generator
from ctm.tasks.mazes.generate import draw
from ctm.tasks.mazes.grid import WAIT, shortest_route, walk


@given(size=st.sampled_from([5, 7, 9, 15, 21, 39]), count=st.integers(1, 4), seed=st.integers(0, 999))
def test_every_maze_is_a_tree_with_its_only_route(size, count, seed):
    grids = draw(count, size, generator("test", seed))
    cells = ((size - 1) // 2) ** 2
    assert grids.open.shape == (count, size, size)
    assert (grids.open.sum((1, 2)) == 2 * cells - 1).all()  # all cells, and one corridor fewer than cells
    assert grids.open[:, 1::2, 1::2].all()
    assert not grids.open[:, ::2, ::2].any()
    assert not grids.open[:, [0, -1]].any()
    assert not grids.open[:, :, [0, -1]].any()
    done = walk(grids.open, grids.start, grids.moves)
    assert torch.equal(done.end, grids.goal)
    assert not done.mistakes.any()
    for index, length in enumerate(grids.lengths.tolist()):
        ends = (tuple(place[index].tolist()) for place in (grids.start, grids.goal))
        assert grids.moves[index, :length].tolist() == shortest_route(grids.open[index], *ends)
        assert (grids.moves[index, length:] == WAIT).all()
        assert length > 0


def test_the_same_seed_draws_the_same():
    first, again, other = (draw(5, 9, generator("test", seed)) for seed in (0, 0, 1))
    assert all(torch.equal(*parts) for parts in zip(first, again, strict=True))
    assert not torch.equal(first.open, other.open)


def test_all_pairs_of_ends_are_equally_likely():
    grids = draw(12_000, 5, generator("test"))
    pairs = collections.Counter(tuple(ends) for ends in torch.cat([grids.start, grids.goal], 1).tolist())
    assert len(pairs) == 12
    assert all(abs(count - 1000) < 150 for count in pairs.values())


def test_all_trees_of_a_square_are_equally_likely():
    """On 2 x 2 cells a walker goes round and leaves one of four corridors closed."""
    opened = draw(8000, 5, generator("test")).open
    closed = collections.Counter((~opened[:, [1, 2, 2, 3], [2, 1, 3, 2]]).long().argmax(1).tolist())
    assert len(closed) == 4
    assert all(abs(count - 2000) < 200 for count in closed.values())


def depth_first(side, source):
    """The tree as one writes it down: a stack of cells, a random free neighbour; how many dead ends it has."""
    degree, root = collections.Counter(), tuple(torch.randint(side, (2,), generator=source).tolist())
    stack, visited = [root], {root}
    while stack:
        row, column = stack[-1]
        near = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        free = [cell for cell in near if cell not in visited and min(cell) >= 0 and max(cell) < side]
        if not free:
            stack.pop()
            continue
        chosen = free[int(torch.randint(len(free), (), generator=source))]
        degree[stack[-1]] += 1
        degree[chosen] += 1
        visited.add(chosen)
        stack.append(chosen)
    return sum(count == 1 for count in degree.values())


def test_as_winding_as_depth_first_search_makes_them():
    source = generator("naive")
    naive = torch.tensor([float(depth_first(5, source)) for _ in range(400)])
    opened = draw(4000, 11, generator("test")).open
    near = opened[:, :-2, 1:-1].int() + opened[:, 2:, 1:-1] + opened[:, 1:-1, :-2] + opened[:, 1:-1, 2:]
    ends = (near[:, ::2, ::2] == 1).sum((1, 2)).float()
    error = (naive.var() / len(naive)).sqrt()
    assert ends.mean().item() == pytest.approx(naive.mean().item(), abs=4 * error.item())
