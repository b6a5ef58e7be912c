"""Animations on disk: GIF for pages, MP4 for everything longer, PNG for their last frame alone."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = 256
"""Palette of a GIF, shared by all its frames."""


def save_animation(frames: Iterable[np.ndarray], path: str | Path, fps: float = 6.0, pause: float = 2.0) -> Path:
    """Writes frames to a file that appears only once it is complete.

    Args:
        frames: RGB pictures (H, W, 3) uint8, all of one size; H and W even for MP4.
        path: where to; the ending says which format: .gif, which repeats for ever, .mp4, or .png for the last frame.
        fps: frames per second.
        pause: seconds for which the last frame stands still.

    Returns:
        the path.

    Raises:
        ValueError: for another ending, for no frames, or for frames of different sizes.
        ModuleNotFoundError: for MP4 without imageio-ffmpeg.
    """
    path, frames = Path(path), list(frames)
    writers = {".gif": _write_gif, ".mp4": _write_mp4, ".png": _write_last}
    if path.suffix not in writers:
        raise ValueError(f"path = {str(path)!r}: expected a name that ends in {', '.join(writers)}")
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError("frames: expected at least one, and all of one size")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder:
        temporary = Path(folder) / path.name
        writers[path.suffix](frames, temporary, fps, pause)
        os.replace(temporary, path)
    return path


def _write_last(frames: list[np.ndarray], path: Path, fps: float, pause: float) -> None:
    Image.fromarray(frames[-1]).save(path)


def _write_gif(frames: list[np.ndarray], path: Path, fps: float, pause: float) -> None:
    pictures = [Image.fromarray(frame) for frame in frames]
    typical = np.concatenate(frames[:: max(1, len(frames) // 12)])[::2, ::2]
    palette = Image.fromarray(typical).quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, kmeans=3)
    first, *rest = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [round(1000 / fps)] * len(rest) + [round(1000 * (1 / fps + pause))]
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)


def _write_mp4(frames: list[np.ndarray], path: Path, fps: float, pause: float) -> None:
    try:
        import imageio_ffmpeg
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "MP4 needs imageio-ffmpeg: pip install 'continuous-thought-machines[figures]', or write a .gif"
        ) from error
    height, width = frames[0].shape[:2]
    if height % 2 or width % 2:
        raise ValueError(f"frames of {width} x {height}: MP4 needs even sizes")
    writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=fps, quality=8, macro_block_size=2)
    writer.send(None)
    for frame in frames + [frames[-1]] * round(pause * fps):
        writer.send(np.ascontiguousarray(frame))
    writer.close()
