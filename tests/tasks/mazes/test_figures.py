import numpy as np
import pytest
import torch

from ctm import Record, Thoughts
from ctm.tasks.mazes.figures import maze_frames, maze_picture
from ctm.tasks.mazes.grid import padded
from ctm.tasks.mazes.journeys import journey_picture, journeys_picture
from ctm.tasks.mazes.reapply import Journeys
from tasks.mazes.drawn import some


def thoughts(maze, ticks=4, right=True, heads=4, grid=(5, 5)):
    """Thoughts that say the right route, or nonsense."""
    moves = padded(maze.moves, 30)
    answers = moves.unsqueeze(1).repeat(1, ticks, 1)
    if not right:
        answers = torch.randint(4, answers.shape)
    attention = torch.rand(1, ticks, heads, grid[0] * grid[1]) ** 4
    record = Record(None, torch.rand(1, ticks, 3), None, attention, torch.rand(1, ticks, 3), grid)
    return Thoughts(torch.nn.functional.one_hot(answers, 5).float(), torch.rand(1, ticks), None, record)


def texts(figure):
    return [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("right", [True, False])
def test_a_maze_is_drawn_with_its_route(right):
    maze = some(1)
    figure = maze_picture(thoughts(maze, right=right), maze)
    assert ("solved ✓" in texts(figure)) == right
    assert right or any(text.endswith("moves right") for text in texts(figure))


def test_the_tick_can_be_chosen():
    maze = some(1)
    seen = thoughts(maze)
    assert "Tick 2" in texts(maze_picture(seen, maze, tick=1))
    assert "Tick 4" in texts(maze_picture(seen, maze, tick=-1))
    assert f"Tick {int(seen.certainty.argmax()) + 1}" in texts(maze_picture(seen, maze))


@pytest.mark.parametrize(("heads", "size", "grid"), [(1, 5, (3, 3)), (5, 9, (5, 5)), (16, 39, (10, 10))])
def test_any_size_and_number_of_heads(heads, size, grid):
    maze = some(1, size)
    frames = list(maze_frames(thoughts(maze, 2, False, heads, grid), maze, steps=2))
    assert [frame.shape for frame in frames] == [(370, 800, 3)] * 3
    assert not np.array_equal(frames[0], frames[-1])


def test_without_attention_there_is_nothing_to_see():
    maze = some(1)
    seen = thoughts(maze)
    with pytest.raises(ValueError, match="expected recorded attention over a map"):
        maze_picture(seen._replace(record=seen.record._replace(attention=None)), maze)


def walked(mazes, reached):
    places = torch.stack([mazes.start, mazes.goal], 1).unsqueeze(1)  # (N, 1, 2, 2)
    return Journeys(reached, torch.ones_like(mazes.lengths), places, mazes.lengths)


def test_success_is_drawn_over_all_route_lengths():
    mazes = some(100, 15)
    found = walked(mazes, torch.rand(100) < 0.7)
    figure = journeys_picture({"15 x 15": found}, horizon=30)
    success, applied = figure.axes
    (line,) = (line for line in success.get_lines() if len(line.get_xdata()) > 2)
    shares, count = np.array(line.get_ydata(), float), len(line.get_xdata())
    assert count == 12
    assert shares.mean() == pytest.approx(found.reached.float().mean().item(), abs=0.03)
    assert max(line.get_xdata()) > 50
    assert applied.get_title(loc="left") == "Applications to reach it"


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_or_everything_reached(share):
    mazes = some(10, 9)
    found = walked(mazes, torch.full((10,), bool(share)))
    assert journeys_picture({"9 x 9": found, "more": found}, horizon=4).axes[0].get_ylim() == (-0.02, 1.05)
    title = journey_picture(mazes, found, 3).axes[0].get_title(loc="left")
    assert title == f"{int(mazes.lengths[3])} moves to the goal: {'' if share else 'not '}reached in 1 application"
