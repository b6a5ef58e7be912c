import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis import given
from PIL import Image
from torch.nn import functional

from ctm.tasks.images.resizing import resize_boxes

SIDES = st.integers(1, 40)


def noise(*shape):
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def resize(pictures, size):
    """Whole pictures, resized."""
    return resize_boxes(pictures, torch.tensor([[0, 0, *pictures.shape[2:]]]), size)


def pillow(picture, box, size):
    """What Pillow makes of a box of one picture, (C, H, W)."""
    top, left, height, width = box.tolist()
    cut = Image.fromarray(picture.permute(1, 2, 0).numpy()).crop((left, top, left + width, top + height))
    return torch.from_numpy(np.array(cut.resize(size[::-1], Image.Resampling.BILINEAR))).permute(2, 0, 1)


@st.composite
def boxes_in(draw, height, width):
    """Top, left, height and width of a part of a picture."""
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return [top, left, draw(st.integers(1, height - top)), draw(st.integers(1, width - left))]


@given(data=st.data(), height=SIDES, width=SIDES, size=st.tuples(SIDES, SIDES))
def test_boxes_are_resized_as_pillow_does(data, height, width, size):
    """Up to 1 of 255: Pillow's weights have 22 bits, ours 15, and a half may be rounded up or down."""
    pictures = noise(3, 3, height, width)
    boxes = torch.tensor([data.draw(boxes_in(height, width)) for _ in pictures])
    resized = resize_boxes(pictures, boxes, size)
    assert resized.shape == (3, 3, *size)
    for picture, box, result in zip(pictures, boxes, resized, strict=True):
        assert (result.int() - pillow(picture, box, size).int()).abs().max() <= 1


@given(height=SIDES, width=SIDES, size=st.tuples(SIDES, SIDES))
def test_resizing_is_interpolation_with_antialiasing(height, width, size):
    pictures = noise(2, 1, height, width)
    expected = functional.interpolate(pictures.double(), size, mode="bilinear", antialias=True)
    assert (resize(pictures, size) - expected).abs().max() <= 1.1  # rounded twice


@given(data=st.data(), height=SIDES, width=SIDES)
def test_one_picture_alone_is_resized_the_same(data, height, width):
    pictures = noise(4, 3, height, width)
    boxes = torch.tensor([data.draw(boxes_in(height, width)) for _ in pictures])
    alone = [resize_boxes(*each, (17, 9)) for each in zip(pictures.split(1), boxes.split(1), strict=True)]
    assert torch.equal(resize_boxes(pictures, boxes, (17, 9)), torch.cat(alone))


def test_the_same_size_stays_and_one_colour_stays():
    pictures = noise(2, 3, 20, 30)
    assert torch.equal(resize(pictures, (20, 30)), pictures)
    white = torch.full((1, 1, 300, 500), 255, dtype=torch.uint8)
    assert resize(white, (7, 11)).unique().tolist() == [255]
