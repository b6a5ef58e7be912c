import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ctm.analysis.video import save_animation

FRAMES = [np.full((20, 32, 3), 10 * shade, dtype=np.uint8) for shade in range(7)]


def test_a_gif_has_every_frame_and_loops_for_ever(tmp_path):
    path = save_animation(iter(FRAMES), tmp_path / "folder" / "a.gif", fps=10.0, pause=1.5)
    with Image.open(path) as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"]) == (7, (32, 20), 0)
        durations, shades = [], []
        for frame in range(7):
            gif.seek(frame)
            durations.append(gif.info["duration"])
            shades.append(gif.convert("RGB").getpixel((0, 0))[0])
    assert durations == [100] * 6 + [1600]
    assert shades == sorted(set(shades))
    assert [file.name for file in path.parent.iterdir()] == ["a.gif"]


def test_an_mp4_can_be_read_back(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = save_animation(FRAMES, tmp_path / "a.mp4", fps=10.0, pause=0.5)
    command = [ffmpeg.get_ffmpeg_exe(), "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert b"32x20" in done.stderr
    assert len(done.stdout) == (7 + 5) * 20 * 32 * 3


def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"\.gif, \.mp4, \.png"):
        save_animation(FRAMES, tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="at least one"):
        save_animation([], tmp_path / "a.gif")
    with pytest.raises(ValueError, match="one size"):
        save_animation([FRAMES[0], FRAMES[0][:10]], tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_a_png_is_the_last_frame(tmp_path):
    path = save_animation(FRAMES, tmp_path / "a.png")
    assert np.array_equal(np.asarray(Image.open(path)), FRAMES[-1])


def test_mp4_without_ffmpeg_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ModuleNotFoundError, match=r"continuous-thought-machines\[figures\]"):
        save_animation(FRAMES, tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_mp4_wants_even_sizes(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    with pytest.raises(ValueError, match="even"):
        save_animation([FRAMES[0][:19]], tmp_path / "a.mp4")
