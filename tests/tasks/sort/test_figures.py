import numpy as np
import pytest
import torch

import ctm
from ctm.tasks.sort.emissions import Emissions, emissions
from ctm.tasks.sort.figures import (
    gaps_and_waits,
    generalization,
    generalization_picture,
    mean_waits,
    sorting_frames,
    sorting_picture,
    waits_picture,
)

NUMBERS = torch.tensor([[0.5, -1.0, 2.0], [3.0, 1.0, 2.0]])
SAID = Emissions(  # -1 0.5 2 at ticks 2 3 7, and 1 2 at ticks 4 5
    torch.tensor([[1, 0, 2], [1, 2, 3]]), torch.tensor([[2, 3, 7], [4, 5, 0]]), torch.tensor([3, 2])
)


def test_waits_are_averaged_over_the_lists_that_got_so_far():
    mean, spread = mean_waits(SAID)
    np.testing.assert_allclose(mean, [3, 1, 4])
    np.testing.assert_allclose(spread, [1, 0, 0])


def test_gaps_are_between_what_was_said():
    gaps, waits = gaps_and_waits(NUMBERS, SAID)
    assert gaps.tolist() == [1.5, 1.5, 1.0]
    assert waits.tolist() == [1, 4, 1]


def test_waits_are_drawn():
    index, gap = waits_picture(NUMBERS, SAID, bins=2).axes
    np.testing.assert_allclose(index.lines[0].get_ydata(), [3, 1, 4])
    np.testing.assert_allclose(gap.lines[0].get_xdata(), [1.25, 1.5])
    assert len(gap.collections[0].get_offsets()) == 3


def test_nothing_said_can_be_drawn():
    silent = emissions(torch.eye(4)[[3, 3, 3, 3]].expand(2, 4, 4), 3)
    assert len(waits_picture(NUMBERS, silent).axes) == 2
    assert len(sorting_picture(NUMBERS, silent).axes) == 2


def test_a_demonstration_has_a_row_for_each_list_with_bars_where_it_waited():
    rows = sorting_picture(NUMBERS, SAID).axes
    assert len(rows) == 2
    lines, *bars = rows[0].collections
    np.testing.assert_allclose([path[0, 0] for path in lines.get_segments()], NUMBERS[0])
    heights = [bar.get_segments()[0][1, 1] for bar in bars[:3]]
    np.testing.assert_allclose(heights, [-1, 0, 0])  # a tick less than the mean of 3, the most there is


def test_generalization_tries_each_mean_with_each_scale():
    model = ctm.build("sort/quick").eval()
    tried = generalization(model, means=(0.0, 3.0), scales=(0.5, 1.0, 2.0), lists=5)
    assert tried.accuracy.shape == (2, 3)
    assert ((tried.accuracy >= 0) & (tried.accuracy <= 1)).all()
    texts = [text.get_text() for text in generalization_picture(tried).axes[0].texts]
    assert texts == [f"{share:.0%}" for share in tried.accuracy.flatten().tolist()]


class Oracle(ctm.ContinuousThoughtMachine):
    """Sorts numbers that are not too close to each other, and is silent about others."""

    def forward(self, x, **_):
        order = torch.where(x.std() > 0.75, x.argsort(-1), 8)
        return ctm.Thoughts(torch.eye(9)[order], torch.zeros(len(order), 8), None)


def test_generalization_is_the_share_of_whole_lists():
    tried = generalization(Oracle(ctm.preset("sort/quick").model), means=(0.0, 1.0), scales=(0.5, 1.0), lists=20)
    assert tried.accuracy.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize("length", [2, 5])
def test_frames_are_of_one_even_size(length):
    frames = list(sorting_frames(torch.randn(length), torch.randn(6, length + 1)))
    assert len(frames) == 6
    ((height, width, channels),) = {frame.shape for frame in frames}
    assert height % 2 == width % 2 == 0
    assert channels == 3
    assert any((first != second).any() for first, second in zip(frames, frames[1:], strict=False))
