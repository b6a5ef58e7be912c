import io

import numpy as np
import pytest
import torch
from PIL import Image

from ctm import DataError
from ctm.tasks.images.decoding import Frame, drawing, is_grey, upright
from ctm.tasks.images.known import DIGITS
from tasks.images.made import encoded, noise


@pytest.fixture(scope="module")
def digits():
    return DIGITS.build()


def saved(path, pixels, mode="L"):
    Image.fromarray(np.asarray(pixels, np.uint8)).convert(mode).save(path)
    return path


def stroke(height, width):
    """A bright vertical bar in the middle of a dark picture."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[height // 4 : 3 * height // 4, 3 * width // 8 : 5 * width // 8] = 255
    return pixels


def first_digit(task):
    """The pixels of the first test picture."""
    return np.asarray(task.splits.test.open(0))


def test_a_drawing_of_the_right_size_is_read_as_it_is(digits, tmp_path):
    path = saved(tmp_path / "digit.png", first_digit(digits))
    assert torch.equal(digits.read(path), digits.sample(0).inputs)


def test_dark_strokes_on_bright_ground_are_inverted(digits, tmp_path):
    path = saved(tmp_path / "digit.png", 255 - first_digit(digits))
    assert torch.equal(digits.read(path), digits.sample(0).inputs)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (64, 64), (40, 24), (24, 40), (5, 5), (300, 200), (1, 300)])
@pytest.mark.parametrize("inverted", [False, True])
def test_drawings_are_resized(digits, tmp_path, height, width, inverted):
    pixels = stroke(height, width)
    seen = digits.read(saved(tmp_path / "bar.png", 255 - pixels if inverted else pixels))
    assert seen.shape == (1, 1, 8, 8)
    assert seen.dtype == torch.float32
    assert -1 <= seen.min() <= seen.max() <= 1
    if height > 1:
        assert seen[0, 0, 4, 2:6].max() > 0.3  # the bar
        assert torch.cat([seen[0, 0, :, 0], seen[0, 0, :, -1]]).max() < -0.5  # its ground


def test_a_drawing_is_padded_not_stretched(digits, tmp_path):
    """A wide bright bar across a wide picture stays flat."""
    pixels = np.zeros((16, 64), np.uint8)
    pixels[4:12, 4:60] = 255
    seen = digits.read(saved(tmp_path / "wide.png", pixels))[0, 0]
    assert seen[:2].max() == seen[-2:].max() == -1
    assert seen[3:5, 1:-1].min() > 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1", "P", "CMYK"])
def test_colours_become_grey(digits, tmp_path, mode):
    grey = digits.read(saved(tmp_path / "grey.png", stroke(8, 8)))
    path = tmp_path / ("colour.tif" if mode == "CMYK" else "colour.png")
    torch.testing.assert_close(digits.read(saved(path, stroke(8, 8), mode)), grey, atol=0.02, rtol=0)


def test_a_photograph_is_turned_as_its_camera_says(digits, tmp_path):
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:3, 1:7] = 255  # above
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "turned.png", exif=exif)
    plain = digits.read(saved(tmp_path / "upright.png", pixels))
    assert torch.equal(digits.read(tmp_path / "turned.png"), plain.flip(-1, -2))


def test_an_empty_drawing_is_all_ground(digits, tmp_path):
    for level in (0, 255):
        assert digits.read(saved(tmp_path / "empty.png", np.full((9, 7), level))).unique().tolist() == [-1.0]


def test_a_missing_file_is_named(digits, tmp_path):
    with pytest.raises(DataError, match=r"none\.png: no such file$"):
        digits.read(tmp_path / "none.png")


def test_what_is_no_picture_is_refused(digits, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("hello")
    for path in (text, tmp_path):
        with pytest.raises(DataError, match="not a picture that can be read") as caught:
            digits.read(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_every_broken_picture_is_refused(digits, tmp_path):
    """Cut short anywhere, or with any byte of the beginning changed: an error that says so, or a picture."""
    path = saved(tmp_path / "digit.png", np.random.default_rng(0).integers(0, 255, (12, 10)))
    content = path.read_bytes()
    broken = [content[:length] for length in range(0, len(content) - 12, 3)]
    broken += [content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :] for at in range(60)]
    refused = 0
    for piece in broken:
        path.write_bytes(piece)
        try:
            assert digits.read(path).shape == (1, 1, 8, 8)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert refused > 0.9 * len(broken)


def opened(picture, kind="PNG", **options):
    """A picture after it was saved and opened again."""
    return Image.open(io.BytesIO(encoded(picture, kind, **options)))


def shown(picture, channels=3):
    """The pixels of an upright picture."""
    return np.asarray(upright(picture, channels)).tolist()


def test_grey_among_colours_has_three_equal_channels():
    assert shown(Image.new("L", (1, 1), 77)) == [[[77, 77, 77]]]


def test_what_is_transparent_becomes_white():
    picture = Image.new("RGBA", (2, 1), (200, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0, 0, 0))
    assert shown(opened(picture)) == [[[200, 0, 0], [255, 255, 255]]]
    assert shown(opened(picture.convert("LA")), 1)[0][1] == 255


def test_a_palette_may_have_a_transparent_entry():
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([0, 0, 0, 10, 20, 30])
    picture.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        assert shown(opened(picture, kind, transparency=0)) == [[[255, 255, 255], [10, 20, 30]]]
    assert shown(opened(picture)) == [[[0, 0, 0], [10, 20, 30]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_sixteen_bits_the_upper_eight_stay(kind):
    levels = np.array([[0, 255, 256, 1000, 32768, 65535]], np.uint16)
    picture = opened(Image.fromarray(levels), kind)
    assert picture.mode.startswith("I;16")
    assert is_grey(picture)
    assert shown(picture, 1) == [[0, 0, 1, 3, 128, 255]]


def test_a_single_bit_is_black_or_white():
    picture = Image.new("1", (2, 1), 0)
    picture.putpixel((1, 0), 1)
    assert is_grey(picture)
    assert shown(opened(picture), 1) == [[0, 255]]


def test_of_an_animation_the_first_picture_counts():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    picture = opened(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert getattr(picture, "n_frames", 1) == 2
    picture.seek(0)
    assert shown(picture)[0][0] == [250, 0, 0]


def test_floating_point_pixels_are_refused():
    with pytest.raises(DataError, match=r"^floating-point pixels: expected 8 or 16 bits$"):
        upright(Image.new("F", (2, 2), 0.5), 1)


@pytest.mark.parametrize(
    ("frame", "size", "expected"),
    [
        (Frame(8, 8, 8, 3), (8, 8), (0, 0, 8, 8)),
        (Frame(8, 8, 8, 3), (16, 8), (4, 0, 12, 8)),
        (Frame(8, 8, 8, 3), (8, 16), (0, 4, 8, 12)),
        (Frame(8, 8, 16, 3), (32, 32), (8, 8, 24, 24)),
        (Frame(8, 8, 16, 3), (64, 32), (24, 8, 40, 24)),
        (Frame(32, 48, 32, 3), (48, 32), (0, 0, 48, 32)),
        (Frame(224, 224, 256, 3), (500, 375), (85.9375, 23.4375, 414.0625, 351.5625)),
    ],
)
def test_the_middle_of_a_picture(frame, size, expected):
    assert frame.middle(*size) == pytest.approx(expected, abs=1e-9)


def test_a_picture_of_the_frame_is_not_resampled():
    picture = noise(9, 5)
    assert torch.equal(Frame(5, 9, 5, 3).cut(picture), torch.from_numpy(np.array(picture)).permute(2, 0, 1))


@pytest.mark.parametrize("size", [(500, 1), (1, 500), (3, 3), (1000, 7)])
@pytest.mark.parametrize("resize", [8, 11])
def test_pictures_that_are_narrow_or_small_fill_the_frame(size, resize):
    for channels in (1, 3):
        seen = Frame(8, 8, resize, channels).cut(upright(Image.new("RGB", size, (90, 90, 90)), channels))
        assert seen.shape == (channels, 8, 8)
        assert seen.unique().tolist() == [90]


@pytest.mark.parametrize("size", [(20, 10), (10, 20), (12, 30)])
def test_resizing_and_cutting_is_that_of_a_whole_picture(size):
    """As if the shorter side was resized first and the middle cut out then, up to rounding."""
    picture = noise(*size)
    seen = Frame(6, 6, 8, 3).cut(picture)
    width, height = (round(8 * side / min(size)) for side in size)
    whole = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)).astype(int)
    top, left = (height - 6) // 2, (width - 6) // 2
    assert (seen.permute(1, 2, 0).int() - torch.from_numpy(whole[top : top + 6, left : left + 6])).abs().max() <= 1


def test_the_ground_of_a_drawing_is_that_of_its_border():
    frame = Frame(8, 8, 8, 1)
    bright = Image.fromarray(255 - stroke(8, 8))
    assert torch.equal(drawing(bright, frame)[0], torch.from_numpy(stroke(8, 8)))
    assert torch.equal(drawing(Image.fromarray(stroke(8, 8)), frame)[0], torch.from_numpy(stroke(8, 8)))


@pytest.mark.parametrize(("size", "shape"), [((50, 30), (16, 26)), ((30, 50), (26, 16)), ((16, 16), (16, 16))])
def test_a_whole_picture_keeps_its_shape(size, shape):
    """The longer side is rounded down, as is usual."""
    whole = Frame(8, 8, 16, 3).whole(noise(*size))
    assert whole.shape == (3, *shape)
    assert whole.dtype == torch.uint8


def test_what_is_cut_out_of_a_picture_is_in_the_middle_of_the_whole():
    picture = noise(20, 16)
    whole, middle = (getattr(Frame(8, 8, 16, 3), way)(picture) for way in ("whole", "cut"))
    assert torch.equal(whole[:, 4:12, 6:14], middle)
