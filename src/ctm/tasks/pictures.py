"""Tasks that name what is in a picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ctm.randomness import generator
from ctm.readouts.classes import Readout
from ctm.tasks.base import Batch, DataError, TaskConfig
from ctm.tasks.in_memory import InMemoryTask
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class PictureTaskConfig(TaskConfig):
    """Base of the tasks that name what is in a picture."""

    shift: int = 0
    """Most pixels by which a training picture is moved at random, down or up and to the right or left."""

    def validate(self) -> None:
        self.require(self.shift >= 0, "shift", "0 or more")

    @property
    def readout(self) -> Readout.Config:
        return Readout.Config(classes=10)


class PictureTask(InMemoryTask):
    """One label for each grey picture, bright strokes on dark ground; pictures are stored as bytes (N, H, W)."""

    shows_attention = True

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        stored, targets = self.stored(seed, iteration, size)
        reach = self.config.shift
        shifts = torch.randint(2 * reach + 1, (size, 2), generator=generator(seed, "shift", iteration))
        return Batch(self.inputs(shifted(stored, shifts, reach)), targets)

    def read(self, path: Path) -> Tensor:
        """A picture file, made grey, square and as small as the task's own; dark on bright is inverted."""
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened).convert("RGBA")
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except Exception as error:  # Pillow raises many kinds for broken files
            raise DataError(f"{path}: not a picture that can be read ({error})") from None
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("L")
        height, width = self.test.inputs.shape[1:]
        pixels = torch.from_numpy(np.asarray(ImageOps.pad(picture, (width, height), color=_ground(picture))).copy())
        return self.inputs(pixels.unsqueeze(0) if _ground(picture) < 128 else 255 - pixels.unsqueeze(0))

    def format_answer(self, answer: Tensor) -> str:
        return str(int(answer))

    def animate(self, thoughts: Thoughts, inputs: Tensor, target: Tensor | None) -> Iterator[np.ndarray]:
        from ctm.analysis.looking import looking_frames

        return looking_frames(thoughts, self.visible(inputs[0]), None if target is None else int(target), steps=2)

    def figures(self, thoughts: Thoughts, samples: Batch) -> Iterator[tuple[str, "Figure"]]:
        from ctm.analysis.looking import looking

        yield "attention", looking(thoughts, self.visible(samples.inputs[0]), int(samples.targets[0]))

    def visible(self, seen: Tensor) -> Tensor:
        """What the model sees of a picture, (1, H, W), as brightness from 0 to 1."""
        low, high = seen.amin(), seen.amax()
        return (seen - low) / (high - low).clamp_min(1e-6)


def shifted(pictures: Tensor, shifts: Tensor, reach: int) -> Tensor:
    """Pictures (B, H, W), moved within a dark frame by `reach` less `shifts` (B, 2) pixels, down and to the right."""
    height, width = pictures.shape[1:]
    framed = functional.pad(pictures, (reach,) * 4)  # (B, H + 2 reach, W + 2 reach)
    rows = shifts[:, :1] + torch.arange(height)  # (B, H)
    columns = shifts[:, 1:] + torch.arange(width)  # (B, W)
    return framed[torch.arange(len(pictures))[:, None, None], rows[:, :, None], columns[:, None, :]]


def _ground(picture) -> int:
    """The brightness of a picture's ground: the median of its border."""
    pixels = np.asarray(picture)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return int(np.median(border))
