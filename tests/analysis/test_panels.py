import pytest
import torch
from matplotlib.colors import to_hex

from ctm.analysis.panels import at, certainty_so_far, heads, overlay
from ctm.analysis.style import GREEN, RED, canvas


def test_values_between_two_ticks():
    values = torch.tensor([[0.0, 10.0], [1.0, 20.0], [3.0, 0.0]])
    assert at(values, 1.0).tolist() == [1, 20]
    assert at(values, 1.5).tolist() == [2, 10]
    assert at(values, 2.0).tolist() == [3, 0]


@pytest.mark.parametrize(("count", "tall", "wide"), [(1, 4, 4), (4, 5, 5), (5, 3, 6), (16, 10, 10)])
def test_all_heads_fit_into_their_square(count, tall, wide):
    figure = canvas(height=4.0)
    heads(figure, torch.rand(count, tall, wide), (0.5, 0.9), 0.2)
    boxes = [axes.get_position(original=True) for axes in figure.axes]
    assert len(boxes) == count
    assert all(box.x0 > 0.5 - 1e-9 and box.x1 < 0.7 + 1e-9 for box in boxes)
    assert all(box.y1 < 0.9 + 1e-9 and box.y0 > 0.5 - 1e-9 for box in boxes)


def test_the_path_and_certainty_go_as_far_as_now():
    figure = canvas()
    pictured, course = figure.subplots(1, 2)
    path = torch.rand(6, 2)
    overlay(pictured, torch.rand(3, 9, 9), torch.rand(6, 2, 5, 5), path, 3.0)
    assert len(pictured.collections[0].get_segments()) == 4
    assert torch.allclose(torch.tensor(pictured.collections[2].get_offsets()[0]).float(), path[3] * 9 - 0.5)
    certainty_so_far(course, torch.linspace(0, 1, 6), 2.5)
    assert course.collections[-1].get_offsets()[0].tolist() == pytest.approx([3.5, 0.5])


def test_the_ground_of_certainty_says_which_answers_were_right():
    axes = canvas().add_subplot()
    certainty_so_far(axes, torch.linspace(0, 1, 6), 2.0, torch.tensor([True, False, False, True, True, True]))
    grounds = [to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert grounds == [GREEN, RED, RED]  # up to now
    assert [patch.get_x() for patch in axes.patches] == [0.5, 1.5, 2.5]
