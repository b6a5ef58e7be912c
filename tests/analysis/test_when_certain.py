import numpy as np
import pytest
import torch

from ctm.analysis.over_ticks import OverTicks
from ctm.analysis.when_certain import most_certain_side_by_side, when_certain


def collected(think, classes=6, answer=(), ticks=4):
    thoughts = think(batch=20, ticks=ticks, classes=classes, answer=answer)
    random = torch.Generator().manual_seed(2)
    seen = OverTicks()
    thoughts = thoughts._replace(certainty=torch.rand(20, ticks, generator=random))
    seen.add(thoughts, torch.randint(classes, (20, *answer), generator=random))
    return seen


@pytest.mark.parametrize("classes", [6, 30])
def test_classes_are_stacked(think, classes):
    seen = collected(think, classes)
    first, chosen, *scale = when_certain(seen, [f"class {number}" for number in range(classes)]).axes
    counts = seen.first_sure().numpy()
    for number, patch in enumerate(first.patches):
        values, edges, baseline = patch.get_data()
        np.testing.assert_array_equal(values - baseline, counts[:, number])
        np.testing.assert_array_equal(baseline, counts[:, :number].sum(1))
        assert edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    never = 1 - counts.sum() / 20
    assert 0 < never < 1
    assert first.get_xlabel() == f"first internal tick of that certainty ({never:.0%} never)"
    assert [bar.get_height() for bar in chosen.patches] == pytest.approx(seen.most_certain()[0].tolist())
    assert (first.get_legend() is not None) == (not scale) == (classes == 6)


def test_answers_of_several_positions_have_no_classes(think):
    (axes,) = when_certain(collected(think, answer=(3,))).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), collected(think, answer=(3,)).most_certain()[1])


def test_models_of_different_ticks_side_by_side(think):
    models = {"one": collected(think), "two": collected(think, ticks=7)}
    share, accuracy = most_certain_side_by_side(models).axes
    for place, seen in enumerate(models.values()):
        for axes, values in zip((share, accuracy), seen.most_certain(), strict=True):
            np.testing.assert_allclose(axes.lines[place].get_ydata(), values)
    assert share.get_xlim() == (0.5, 7.5)
