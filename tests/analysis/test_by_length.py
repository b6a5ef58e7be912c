import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.analysis.by_length import Measured, score_by_length


def lines(figure):
    """The points of every line: lengths and scores."""
    (axes,) = figure.axes
    return [(list(map(float, line.get_xdata())), list(map(float, line.get_ydata()))) for line in axes.get_lines()]


@given(count=st.integers(1, 200), seed=st.integers(0, 99))
def test_points_are_means_over_equally_many_samples(count, seed):
    source = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 300, (count,), generator=source)
    scores = torch.rand(count, generator=source)
    ((place, height),) = lines(score_by_length({"all": Measured(lengths, scores)}))
    assert len(place) == min(12, max(1, count // 8))
    assert place == sorted(place)
    assert lengths.min() - 1e-3 <= min(place)
    assert max(place) <= lengths.max() + 1e-3
    if count % len(place) == 0:
        assert sum(height) / len(height) == pytest.approx(scores.mean().item(), abs=1e-5)


def test_a_line_for_every_name():
    measured = {name: Measured(torch.arange(1, 31), torch.rand(30)) for name in ("a", "b", "none")}
    measured["none"] = Measured(torch.zeros(0), torch.zeros(0))
    figure = score_by_length(measured, "Solved")
    assert len(lines(figure)) == 2
    assert figure.axes[0].get_title(loc="left") == "Solved"
