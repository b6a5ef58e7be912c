"""Every operation on a batch is what Pillow makes of each picture, byte for byte."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image, ImageChops, ImageEnhance, ImageOps

from ctm.tasks.images import operations


def affine(picture, *matrix):
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)


def by_width(picture, share):
    return affine(picture, 1, 0, -int(share * picture.width), 0, 1, 0)


def by_height(picture, share):
    return affine(picture, 1, 0, 0, 0, 1, -int(share * picture.height))


FACTORS = st.floats(0, 2) | st.sampled_from([0.0, 1.0])
PILLOW = {
    "invert": (lambda picture, _: ImageChops.invert(picture), st.just(0.0)),
    "autocontrast": (lambda picture, _: ImageOps.autocontrast(picture), st.just(0.0)),
    "equalize": (lambda picture, _: ImageOps.equalize(picture), st.just(0.0)),
    "solarize": (ImageOps.solarize, st.floats(0, 256)),
    "posterize": (lambda picture, bits: ImageOps.posterize(picture, int(bits)), st.integers(1, 8).map(float)),
    "brightness": (lambda picture, factor: ImageEnhance.Brightness(picture).enhance(factor), FACTORS),
    "contrast": (lambda picture, factor: ImageEnhance.Contrast(picture).enhance(factor), FACTORS),
    "colour": (lambda picture, factor: ImageEnhance.Color(picture).enhance(factor), FACTORS),
    "sharpness": (lambda picture, factor: ImageEnhance.Sharpness(picture).enhance(factor), FACTORS),
    "rotate": (lambda picture, angle: picture.rotate(angle), st.floats(-44, 44)),
    "shear_y": (lambda picture, slope: affine(picture, 1, 0, 0, slope, 1, 0), st.floats(-0.3, 0.3)),
    "translate_x": (by_width, st.floats(-1, 1)),
    "translate_y": (by_height, st.floats(-1, 1)),
}


def pillow(name, picture, amount):
    """What Pillow makes of one picture, (C, H, W)."""
    opened = Image.fromarray(picture.permute(1, 2, 0).squeeze(2).numpy())
    changed = np.array(PILLOW[name][0](opened, amount))
    return torch.from_numpy(changed).view(*picture.shape[1:], len(picture)).permute(2, 0, 1)


@st.composite
def drawn_pictures(draw, least=1):
    """A few pictures, noisy, of few levels, or of one colour."""
    sides = st.integers(least, 24)
    shape = (draw(st.integers(1, 4)), draw(st.sampled_from([1, 3])), draw(sides), draw(sides))
    low = draw(st.integers(0, 255))
    high = draw(st.integers(low, 255))
    source = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    return torch.randint(low, high + 1, shape, generator=source, dtype=torch.uint8)


@pytest.mark.parametrize("name", PILLOW)
@given(data=st.data(), pictures=drawn_pictures())
def test_an_operation_is_that_of_pillow(name, data, pictures):
    amounts = [data.draw(PILLOW[name][1]) for _ in pictures]
    changed = getattr(operations, name)(pictures, torch.tensor(amounts, dtype=torch.float64))
    assert changed.dtype == torch.uint8
    for picture, amount, result in zip(pictures, amounts, changed, strict=True):
        assert torch.equal(result, pillow(name, picture, amount))


@pytest.mark.parametrize("name", ["equalize", "autocontrast"])
def test_large_and_unequal_pictures_too(name):
    """Where most pixels have one level, and where there are more pixels than levels of any step."""
    source = torch.Generator().manual_seed(0)
    pictures = torch.rand(2, 3, 40, 50, generator=source).pow(8).mul(255).byte()
    pictures[1, :, 5:] = 7
    changed = getattr(operations, name)(pictures, torch.zeros(2))
    for picture, result in zip(pictures, changed, strict=True):
        assert torch.equal(result, pillow(name, picture, 0.0))


def test_colours_are_grey_or_red_green_and_blue():
    with pytest.raises(ValueError, match="pictures of 2 channels: expected 1, grey, or 3, red, green and blue"):
        operations.colour(torch.zeros(1, 2, 4, 4, dtype=torch.uint8), torch.ones(1))
