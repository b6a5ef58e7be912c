"""From a picture, as a camera or a scanner makes it, to bytes of one size."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from ctm.errors import DataError

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


class Frame(NamedTuple):
    """What is made of every picture."""

    height: int
    width: int
    resize: int
    """Length of the shorter side, after resizing and before cropping to height and width."""
    channels: int
    """1 for grey, 3 for colours."""

    def middle(self, width: int, height: int) -> Box:
        """The part in the middle of a picture that is shown."""
        scale = min(width / self.width, height / self.height) * min(self.width, self.height) / self.resize
        across, down = min(self.width * scale, width), min(self.height * scale, height)
        left, top = (width - across) / 2, (height - down) / 2
        return left, top, left + across, top + down

    def cut(self, picture: Image.Image, box: Box | None = None) -> UInt8[Tensor, "C H W"]:
        """The part of an upright picture that is in a box, by default its middle, resized."""
        box = self.middle(*picture.size) if box is None else box
        if box != (0, 0, self.width, self.height):
            picture = picture.resize((self.width, self.height), Image.Resampling.BILINEAR, box)
        elif picture.size != (self.width, self.height):
            picture = picture.crop((0, 0, self.width, self.height))
        return _pixels(picture)

    def whole(self, picture: Image.Image) -> UInt8[Tensor, "C _height _width"]:
        """All of an upright picture, its shorter side as long as `resize` says."""
        shorter = min(picture.size)
        size = [self.resize * side // shorter for side in picture.size]
        return _pixels(picture.resize(size, Image.Resampling.BILINEAR))


def upright(picture: Image.Image, channels: int) -> Image.Image:
    """A picture as people see it, 8 bits a channel, grey or in colours.

    It is turned as its camera says; of 16 bits the upper 8 stay; what is transparent becomes white; grey among colours
    gets three equal channels, and colours become grey where grey is wanted.

    Raises:
        DataError: for floating-point pixels.
    """
    picture = ImageOps.exif_transpose(picture)
    if picture.mode == "F":
        raise DataError("floating-point pixels: expected 8 or 16 bits")
    if picture.mode.startswith("I"):  # 16 bits, or 16 of 32
        picture = Image.fromarray((np.clip(np.asarray(picture), 0, 65535) >> 8).astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if channels == 1 else "RGB")


def is_grey(picture: Image.Image) -> bool:
    """Whether a picture, not yet `upright`, has no colours."""
    return picture.mode in ("1", "L", "LA", "F") or picture.mode.startswith("I")


def drawing(picture: Image.Image, frame: Frame) -> UInt8[Tensor, "C H W"]:
    """A user's drawing as one of bright strokes on dark ground: padded to the frame, and inverted if it is bright."""
    ground = _ground(picture)
    pixels = _pixels(ImageOps.pad(picture, (frame.width, frame.height), color=ground))
    return pixels if ground < 128 else 255 - pixels


def _pixels(picture: Image.Image) -> UInt8[Tensor, "C H W"]:
    pixels = torch.from_numpy(np.array(picture))  # (H, W) or (H, W, C)
    return pixels.unsqueeze(0) if pixels.dim() == 2 else pixels.permute(2, 0, 1)


def _ground(picture: Image.Image) -> int:
    """The brightness of a grey picture's ground: the median of its border."""
    pixels = np.asarray(picture)
    return int(np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])))
