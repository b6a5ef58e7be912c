import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from PIL import Image

from ctm import DataError
from ctm.tasks.digits import Digits
from ctm.tasks.pictures import shifted


@pytest.fixture(scope="module")
def task():
    return Digits.Config().build()


def saved(path, pixels, mode="L"):
    Image.fromarray(np.asarray(pixels, np.uint8)).convert(mode).save(path)
    return path


def stroke(height, width):
    """A bright vertical bar in the middle of a dark picture."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[height // 4 : 3 * height // 4, 3 * width // 8 : 5 * width // 8] = 255
    return pixels


def test_a_picture_of_the_right_size_is_read_as_it_is(task, tmp_path):
    pixels = task.test.inputs[0].numpy()
    assert torch.equal(task.read(saved(tmp_path / "digit.png", pixels)), task.sample(0).inputs)


def test_dark_strokes_on_bright_ground_are_inverted(task, tmp_path):
    pixels = task.test.inputs[0].numpy()
    assert torch.equal(task.read(saved(tmp_path / "digit.png", 255 - pixels)), task.sample(0).inputs)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (40, 24), (24, 40), (5, 5), (300, 200)])
@pytest.mark.parametrize("inverted", [False, True])
def test_pictures_are_resized(task, tmp_path, height, width, inverted):
    pixels = stroke(height, width)
    seen = task.read(saved(tmp_path / "bar.png", 255 - pixels if inverted else pixels))
    assert seen.shape == (1, 1, 8, 8)
    assert seen.dtype == torch.float32
    assert -1 <= seen.min() <= seen.max() <= 1
    assert seen[0, 0, 4, 2:6].max() > 0.3  # the bar
    assert torch.cat([seen[0, 0, :, 0], seen[0, 0, :, -1]]).max() < -0.5  # its ground


def test_the_shape_is_padded_not_stretched(task, tmp_path):
    """A wide bright bar across a wide picture stays flat."""
    pixels = np.zeros((16, 64), np.uint8)
    pixels[4:12, 4:60] = 255
    seen = task.read(saved(tmp_path / "wide.png", pixels))[0, 0]
    assert seen[:2].max() == seen[-2:].max() == -1
    assert seen[3:5, 1:-1].min() > 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "CMYK"])
def test_colours_become_grey(task, tmp_path, mode):
    grey = task.read(saved(tmp_path / "grey.png", stroke(8, 8)))
    path = tmp_path / ("colour.tif" if mode == "CMYK" else "colour.png")
    torch.testing.assert_close(task.read(saved(path, stroke(8, 8), mode)), grey, atol=0.02, rtol=0)


def test_a_photograph_is_turned_as_its_camera_says(task, tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:3, 1:7] = 255  # above
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "turned.png", exif=exif)
    upright = task.read(saved(tmp_path / "upright.png", pixels))
    assert torch.equal(task.read(tmp_path / "turned.png"), upright.flip(-1, -2))


def test_an_empty_picture_is_all_ground(task, tmp_path):
    for level in (0, 255):
        assert task.read(saved(tmp_path / "empty.png", np.full((9, 7), level))).unique().tolist() == [-1.0]


def test_a_missing_file_is_named(task, tmp_path):
    with pytest.raises(DataError, match=r"none\.png: no such file$"):
        task.read(tmp_path / "none.png")


def test_what_is_no_picture_is_refused(task, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("hello")
    for path in (text, tmp_path):
        with pytest.raises(DataError, match="not a picture that can be read") as caught:
            task.read(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_every_broken_picture_is_refused(task, tmp_path):
    """Cut short anywhere, or with any byte of the beginning changed: an error that says so, or a picture."""
    path = saved(tmp_path / "digit.png", np.random.default_rng(0).integers(0, 255, (12, 10)))
    content = path.read_bytes()
    broken = [content[:length] for length in range(0, len(content) - 12, 3)]
    broken += [content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :] for at in range(60)]
    refused = 0
    for piece in broken:
        path.write_bytes(piece)
        try:
            assert task.read(path).shape == (1, 1, 8, 8)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert refused > 0.9 * len(broken)


def test_brightness_of_what_the_model_sees(task):
    visible = task.visible(torch.tensor([[[-1.0, 0.0], [0.5, 1.0]]]))
    assert visible.tolist() == [[[0.0, 0.5], [0.75, 1.0]]]
    assert task.visible(torch.full((1, 2, 2), 3.0)).tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


@given(reach=st.integers(0, 3), seed=st.integers(0, 50))
def test_shifting_moves_pixels_and_fills_with_dark(reach, seed):
    source = torch.Generator().manual_seed(seed)
    pictures = torch.randint(1, 255, (3, 5, 4), generator=source, dtype=torch.uint8)
    shifts = torch.randint(2 * reach + 1, (3, 2), generator=source)
    moved = shifted(pictures, shifts, reach)
    for picture, (down, right), result in zip(pictures, (reach - shifts).tolist(), moved, strict=True):
        for row in range(5):
            for column in range(4):
                source_row, source_column = row - down, column - right
                inside = 0 <= source_row < 5 and 0 <= source_column < 4
                assert result[row, column] == (picture[source_row, source_column] if inside else 0)


def test_only_training_batches_are_shifted():
    still, moving = Digits.Config().build(), Digits.Config(shift=1).build()
    assert torch.equal(next(moving.evaluation("test", 50)).inputs, next(still.evaluation("test", 50)).inputs)
    batch = moving.batch(seed=0, iteration=3, size=50)
    assert not torch.equal(batch.inputs, still.batch(seed=0, iteration=3, size=50).inputs)
    assert torch.equal(batch.inputs, moving.batch(seed=0, iteration=3, size=50).inputs)


def test_shifts_are_those_of_the_seed_and_the_iteration():
    task = Digits.Config(shift=2).build()
    same = task.stored(0, 0, 50)
    task.stored = lambda seed, iteration, size: same
    moved = torch.stack([task.batch(*moment, 50).inputs for moment in ((0, 0), (0, 1), (1, 0))])
    assert len(moved.unique(dim=0)) == 3
