import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from ctm import ConfigError
from ctm.inputs import slice_batch
from ctm.randomness import generator
from ctm.tasks.images.augmentation import Augmentation, Crop, Flip, ResizedCrop, apply_all, draw_all
from ctm.tasks.images.auto_augment import AutoAugment
from ctm.tasks.images.resizing import resize_boxes

AUGMENTATIONS = [Crop(2), Crop(3, "reflect"), Flip(), ResizedCrop(10), AutoAugment()]
NAMES = ["crop", "crop, mirrored", "flip", "resized crop", "auto-augment"]


def noise(*shape):
    return torch.randint(1, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def some_shape(draw):
    return draw(st.integers(1, 5)), draw(st.sampled_from([1, 3])), draw(st.integers(4, 20)), draw(st.integers(4, 20))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=NAMES)
@given(data=st.data())
def test_every_picture_goes_by_its_own_numbers(augmentation, data):
    """One at a time, in two parts, or all together, and the pictures that came in stay as they were."""
    pictures = noise(*some_shape(data.draw))
    before = pictures.clone()
    draws = augmentation.draw(len(pictures), generator(data.draw(st.integers(0, 1000))))
    together = augmentation.apply(pictures, draws)
    size = (10, 10) if isinstance(augmentation, ResizedCrop) else pictures.shape[2:]
    assert (together.dtype, together.shape) == (torch.uint8, (*pictures.shape[:2], *size))
    assert torch.equal(pictures, before)
    half = len(pictures) // 2 + 1
    for parts in ([1] * len(pictures), [half, len(pictures) - half]):
        cut = [augmentation.apply(*part) for part in zip(pictures.split(parts), draws.split(parts), strict=True)]
        assert torch.equal(together, torch.cat(cut))


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=NAMES)
def test_draws_are_those_of_the_generator(augmentation):
    same, again, other = (augmentation.draw(64, generator(seed, "augmentation", 5)) for seed in (0, 0, 1))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    pictures = noise(64, 3, 16, 16)
    assert torch.equal(augmentation(pictures, generator(0, "augmentation", 5)), augmentation.apply(pictures, same))
    assert not torch.equal(augmentation.apply(pictures, other), augmentation.apply(pictures, same))


def test_several_augmentations_follow_each_other():
    chosen, pictures = (ResizedCrop(12), Flip(), Crop(2)), noise(6, 3, 16, 20)
    draws = draw_all(chosen, 6, generator(3))
    source, expected = generator(3), pictures
    for augmentation in chosen:
        expected = augmentation(expected, source)
    assert torch.equal(apply_all(chosen, pictures, draws), expected)
    parts = [
        apply_all(chosen, pictures[start : start + 2], slice_batch(draws, start, start + 2)) for start in (0, 2, 4)
    ]
    assert torch.equal(torch.cat(parts), expected)
    assert apply_all((), pictures, draw_all((), 6, source)) is pictures


@given(padding=st.integers(0, 3), seed=st.integers(0, 50))
def test_a_crop_moves_pixels_and_fills_with_black(padding, seed):
    pictures = noise(3, 2, 5, 4)
    draws = Crop(padding).draw(3, torch.Generator().manual_seed(seed))
    assert torch.equal(
        draws, torch.randint(2 * padding + 1, (3, 2), generator=torch.Generator().manual_seed(seed))
    )  # what models of digits were trained with
    moved = Crop(padding).apply(pictures, draws)
    for picture, (down, right), result in zip(pictures, (padding - draws).tolist(), moved, strict=True):
        for row in range(5):
            for column in range(4):
                inside = 0 <= row - down < 5 and 0 <= column - right < 4
                expected = picture[:, row - down, column - right] if inside else torch.zeros(2)
                assert torch.equal(result[:, row, column].float(), expected.float())


def test_a_border_may_mirror_the_picture():
    picture = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3)
    moved = Crop(2, "reflect").apply(picture, torch.tensor([[0, 2]]))
    assert moved.tolist() == [[[[6, 7, 8], [3, 4, 5], [0, 1, 2]]]]
    with pytest.raises(ValueError, match="pictures of 3x3 pixels: expected more than 3 on each side"):
        Crop(3, "reflect").apply(picture, torch.tensor([[0, 2]]))


def test_as_many_pictures_are_flipped_as_said():
    pictures = noise(2, 3, 4, 5)
    flipped = Flip().apply(pictures, torch.tensor([True, False]))
    assert torch.equal(flipped, torch.stack([pictures[0].flip(-1), pictures[1]]))
    for probability in (0.0, 0.3, 1.0):
        share = Flip(probability).draw(10000, generator(0)).float().mean().item()
        assert share == pytest.approx(probability, abs=0.02)


def boxes(augmentation, height, width, count):
    sizes = torch.tensor([[height, width]]).expand(count, 2)
    return augmentation.boxes(augmentation.draw(count, generator(0)), sizes)


@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_boxes_lie_within_their_pictures(height, width):
    top, left, tall, wide = boxes(ResizedCrop(), height, width, 50).unbind(1)
    assert min(top.min(), left.min()) >= 0
    assert min(tall.min(), wide.min()) >= 1
    assert (top + tall).max() <= height
    assert (left + wide).max() <= width


def test_boxes_have_the_areas_and_shapes_asked_for():
    top, left, tall, wide = boxes(ResizedCrop(area=(0.1, 0.5)), 400, 500, 20000).double().unbind(1)
    area, aspect = tall * wide / (400 * 500), wide / tall
    assert area.min() == pytest.approx(0.1, abs=0.002)
    assert area.max() == pytest.approx(0.5, abs=0.002)
    assert area.mean() == pytest.approx(0.3, abs=0.005)
    assert aspect.min() == pytest.approx(3 / 4, abs=0.01)
    assert aspect.max() == pytest.approx(4 / 3, abs=0.01)
    assert aspect.log().mean() == pytest.approx(0, abs=0.03)
    assert (top / (400 - tall).clamp_min(1)).mean() == pytest.approx(0.5, abs=0.02)  # anywhere
    assert (left / (500 - wide).clamp_min(1)).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("height", "width", "box"), [(10, 100, [0, 43, 10, 13]), (100, 10, [43, 0, 13, 10]), (10, 10, [0, 0, 10, 10])]
)
def test_where_no_try_fits_the_middle_is_shown(height, width, box):
    """As of a panorama, of which no part of a usual shape has so much of the area."""
    whole = ResizedCrop(area=(1.0, 1.0)) if height == width else ResizedCrop(area=(0.9, 1.0))
    found = boxes(whole, height, width, 3)
    assert (found - torch.tensor(box)).abs().max() <= (0 if height == width else 2)
    assert torch.equal(found[:, 2:], torch.tensor([box[2:]] * 3))


def test_pictures_of_several_sizes_get_boxes_of_their_own():
    augmentation = ResizedCrop()
    draws, sizes = augmentation.draw(3, generator(0)), torch.tensor([[40, 50], [7, 300], [224, 224]])
    alone = [augmentation.boxes(*each) for each in zip(draws.split(1), sizes.split(1), strict=True)]
    assert torch.equal(augmentation.boxes(draws, sizes), torch.cat(alone))


def test_a_resized_crop_shows_its_box():
    pictures, augmentation = noise(4, 3, 30, 40), ResizedCrop(16)
    draws = augmentation.draw(4, generator(1))
    expected = resize_boxes(pictures, augmentation.boxes(draws, torch.tensor([[30, 40]] * 4)), (16, 16))
    assert torch.equal(augmentation.apply(pictures, draws), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Crop(-1), "padding = -1: expected 0 or more"),
        (lambda: Flip(1.5), r"probability = 1\.5: expected between 0 and 1"),
        (lambda: ResizedCrop(0), "size = 0: expected at least 1"),
        (lambda: ResizedCrop(area=(0.5, 0.1)), "area = .*: expected the least, more than 0, and the most, at most 1"),
        (lambda: ResizedCrop(aspect=(0.0, 1.0)), "aspect = .*: expected the least, more than 0, and the greatest"),
    ],
)
def test_wrong_configurations_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_kinds():
    assert {"crop", "flip", "resized_crop", "auto_augment"} <= set(Augmentation.kinds())
