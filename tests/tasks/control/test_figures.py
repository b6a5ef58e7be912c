import numpy as np
import pytest
import torch

from ctm.tasks.control import figures
from ctm.tasks.control.actors import RecordedEpisode
from ctm.tasks.control.figures import episode_frames, episode_picture


def episode(steps, numbers=None, ticks=2):
    random = torch.Generator().manual_seed(0)
    actions = torch.arange(steps) % 3 if numbers is None else torch.rand(steps, numbers, generator=random)
    return RecordedEpisode(
        frames=[np.full((6, 9, 3), step, np.uint8) for step in range(steps)],
        actions=actions,
        probabilities=torch.full((steps, 3), 1 / 3) if numbers is None else None,
        rewards=torch.ones(steps),
        values=torch.rand(steps, generator=random) / 1000,
        certainty=torch.full((steps,), 0.5),
        activity=torch.rand(steps * ticks, 30, generator=random),
    )


@pytest.fixture
def steps_drawn(monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "episode_picture", lambda _, step: drawn.append(step))
    monkeypatch.setattr(figures, "to_frame", lambda _: None)
    return drawn


@pytest.mark.parametrize(
    ("most", "expected"),
    [(9, [0, 1, 2, 3, 4, 5, 6]), (7, [0, 1, 2, 3, 4, 5, 6]), (4, [0, 2, 4, 6]), (3, [0, 3, 6]), (2, [2, 6]), (1, [6])],
)
def test_of_a_long_episode_some_steps_are_drawn_the_last_always(steps_drawn, most, expected):
    assert len(list(episode_frames(episode(7), most))) == len(expected)
    assert steps_drawn == expected


def test_frames_are_of_one_size():
    assert {frame.shape for frame in episode_frames(episode(3), 3)} == {next(episode_frames(episode(1), 1)).shape}


@pytest.mark.parametrize(("numbers", "title"), [(None, "Policy, and what was done"), (2, "Actions")])
def test_a_picture_shows_the_episode_up_to_a_step(numbers, title):
    environment, traces, policy, value, certainty = episode_picture(episode(5, numbers), 2).axes
    assert environment.get_title(loc="left") == "step 3, return 3"
    assert environment.images[0].get_array()[0, 0, 0] == 2
    assert [axes.get_title(loc="left") for axes in (policy, value, certainty)] == [title, "Value", "Certainty"]
    (lines,) = (each for each in traces.collections if hasattr(each, "get_segments"))
    assert len(lines.get_segments()) == figures.SHOWN
    assert {len(segment) for segment in lines.get_segments()} == {6}


@pytest.mark.parametrize(("steps", "step", "expected"), [(5, 2, (0, 5)), (90, 9, (0, 40)), (90, 89, (50, 90))])
def test_traces_show_no_more_than_there_is(steps, step, expected):
    left, right = episode_picture(episode(steps), step).axes[1].get_xlim()
    assert (left, int(right)) == expected


def test_numbers_beside_the_curves_have_the_room_they_need():
    """Small values have long numbers, which must not leave the picture, or reach into the panel beside."""
    figure = episode_picture(episode(5, 2)._replace(actions=-torch.rand(5, 2) / 100))
    figure.canvas.draw()
    right = 0.0
    for axes in figure.axes[2:]:
        labels = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert min(label.x0 for label in labels) >= right
        right = axes.get_window_extent().x1
