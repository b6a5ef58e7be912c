import numpy as np
import pytest
import torch

from ctm.tasks.parity.figures import accuracy_by_position, learned_positions, parity_frames, parity_picture


def solved(length, ticks=5, heads=4):
    """A sequence with all answers right at the last tick, and heads that look at token t at tick t."""
    signs = torch.tensor([-1, 1, 1] * length)[:length]
    targets = (signs < 0).cumsum(0) % 2
    logits = 4 * torch.nn.functional.one_hot(targets, 2).float() * torch.linspace(0, 1, ticks)[:, None, None]
    attention = torch.eye(length)[torch.arange(ticks) % length].unsqueeze(1).expand(ticks, heads, length)
    return signs, targets, logits, attention


def panel(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(title))


def test_input_answer_and_target_are_drawn_as_squares():
    signs, targets, logits, attention = solved(16)
    figure = parity_picture(signs, targets, logits, attention)
    np.testing.assert_array_equal(panel(figure, "Input").images[0].get_array(), signs.view(4, 4))
    np.testing.assert_array_equal(panel(figure, "Target").images[0].get_array(), targets.view(4, 4))
    answer = panel(figure, "Answer").images[0].get_array()
    np.testing.assert_array_equal(answer > 0.5, targets.view(4, 4))


def test_heads_are_followed_over_the_grid_up_to_the_tick():
    figure = parity_picture(*solved(16), tick=2)
    path = panel(figure, "Head 4").collections[-1].get_offsets()
    np.testing.assert_array_equal(path, [[0, 0], [1, 0], [2, 0]])
    assert not panel(figure, "Head 4").lines  # the most certain tick is still to come
    assert panel(parity_picture(*solved(16)), "Head 4").lines[0].get_xydata().tolist() == [[0, 1]]


def test_paths_over_a_row_fall_with_time():
    path = panel(parity_picture(*solved(7)), "Head 1").collections[-1].get_offsets()
    assert path[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert (np.diff(path[:, 1]) > 0).all()


@pytest.mark.parametrize(("length", "ticks", "heads"), [(16, 3, 8), (9, 1, 1), (5, 2, 1), (1, 2, 12)])
def test_frames_are_of_one_even_size(length, ticks, heads):
    frames = list(parity_frames(*solved(length, ticks, heads)))
    assert len(frames) == ticks
    ((height, width, channels),) = {frame.shape for frame in frames}
    assert height % 2 == width % 2 == 0
    assert channels == 3


def test_accuracy_by_position_is_a_map_of_positions_by_ticks():
    accuracy = torch.rand(6, 4)
    axes, _ = accuracy_by_position(accuracy).axes  # and its colour bar
    np.testing.assert_array_equal(axes.images[0].get_array(), accuracy.T)
    certain = torch.tensor([[0, 1, 2, 3], [2, 1, 2, 5]])
    figure = accuracy_by_position(accuracy, attention=torch.rand(6, 4), certain_ticks=certain)
    points = panel(figure, "Accuracy").lines[0]
    assert points.get_xdata().tolist() == [2, 2, 3, 5]
    assert panel(figure, "Attention").images


def test_positions_are_learned_over_iterations():
    accuracy = torch.tensor([[0.5, 0.5, 0.5], [1.0, 0.6, 0.5], [0.95, 1.0, 0.94]])
    figure = learned_positions([0, 10, 20], accuracy)
    assert panel(figure, "Positions learned").lines[0].get_xydata().tolist() == [[0, 0], [10, 1], [20, 2]]
    np.testing.assert_array_equal([line.get_ydata() for line in panel(figure, "Accuracy").lines], accuracy)
    learned_positions([0], torch.tensor([[0.5]]))  # of a run that has only begun
