import pytest
import torch

from ctm.analysis.looking import MOST_CLASSES, looking, looking_frames


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_the_answer_is_marked_right_or_wrong(think):
    thoughts = think()
    answer = int(thoughts.logits[1, -1].argmax())
    assert f"{answer} ✓" in texts(looking(thoughts, torch.rand(9, 15), answer, sample=1))
    assert f"{answer} ✗" in texts(looking(thoughts, torch.rand(9, 15), (answer + 1) % 6, sample=1))
    assert str(answer) in texts(looking(thoughts, torch.rand(9, 15), sample=1))


def test_the_path_has_a_point_a_tick_and_each_head_its_map(think):
    figure = looking(think(ticks=5, heads=3), torch.rand(3, 9, 15), tick=3)
    picture = figure.axes[0]
    assert len(picture.collections[1].get_offsets()) == 4
    maps = [axes for axes in figure.axes[1:] if axes.images]
    assert len(maps) == 3
    assert "Tick 4" in texts(figure)
    assert "of 5" in texts(figure)


def test_names_and_likeliest_of_many_classes(think):
    thoughts = think(classes=40)
    names = [f"name {index}" for index in range(40)]
    rare = int(thoughts.logits[0].amax(0).argmin())
    figure = looking(thoughts, torch.rand(9, 15), rare, labels=names)
    shown = [text.get_text() for text in figure.axes[-1].texts if text.get_text().startswith("name")]
    assert len(shown) == MOST_CLASSES
    assert names[rare] in shown
    assert names[int(thoughts.logits[0, -1].argmax())] in shown


@pytest.mark.parametrize("heads", [1, 8])
def test_frames_are_of_one_even_size(think, heads):
    thoughts = think(ticks=3, heads=heads, grid=(4, 4))
    frames = list(looking_frames(thoughts, torch.rand(1, 8, 8), 0, steps=2))
    assert len(frames) == 5
    assert {frame.shape for frame in frames} == {(400, 800, 3)}
    assert (frames[0] != frames[-1]).any()


@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (6, 2)])
def test_constant_maps_of_any_shape_and_one_tick(think, grid):
    thoughts = think(ticks=1, heads=1, grid=grid)
    constant = torch.full_like(thoughts.record.attention, 1 / torch.Size(grid).numel())
    thoughts = thoughts._replace(record=thoughts.record._replace(attention=constant))
    (frame,) = looking_frames(thoughts, torch.rand(10, 20), 0)
    assert frame.shape == (400, 800, 3)


def test_what_cannot_be_drawn_is_refused(think):
    with pytest.raises(ValueError, match="record=True"):
        looking(think()._replace(record=None), torch.rand(9, 15))
    with pytest.raises(ValueError, match="over a map"):
        looking(think(grid=(15,)), torch.rand(9, 15))
    with pytest.raises(ValueError, match="one label"):
        looking(think(answer=(4,)), torch.rand(9, 15))


def test_drawing_bright_pictures_says_nothing(think, caplog):
    list(looking_frames(think(ticks=4), torch.ones(3, 9, 15), steps=3))
    assert not caplog.records
