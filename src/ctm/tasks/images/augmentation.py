"""Augmentation: training pictures changed at random, a whole batch at once, on the device where they are."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Generator, Tensor
from torch.nn import functional

from ctm.config import Config
from ctm.tasks.images.resizing import resize_boxes


class Augmentation(Config):
    """Base of the augmentations.

    The random numbers for a whole batch are drawn first, on the CPU. Then each picture is changed by its own row of
    them, whichever pictures it stands beside: so a batch that is cut over processes or micro-batches is augmented as
    it would be in one piece.
    """

    @abstractmethod
    def draw(self, count: int, source: Generator) -> Tensor:
        """The random numbers for so many pictures, (count, …), on the CPU."""

    @abstractmethod
    def apply(self, pictures: UInt8[Tensor, "B C H W"], draws: Tensor) -> UInt8[Tensor, "B C _H _W"]:
        """The pictures, changed by what was drawn for each, (B, …)."""

    def __call__(self, pictures: UInt8[Tensor, "B C H W"], source: Generator) -> UInt8[Tensor, "B C _H _W"]:
        """The pictures, changed at random."""
        return self.apply(pictures, self.draw(len(pictures), source))


def draw_all(augmentations: Sequence[Augmentation], count: int, source: Generator) -> tuple[Tensor, ...]:
    """The random numbers of several augmentations for so many pictures, each (count, …)."""
    return tuple(augmentation.draw(count, source) for augmentation in augmentations)


def apply_all(
    augmentations: Sequence[Augmentation], pictures: UInt8[Tensor, "B C H W"], draws: Sequence[Tensor]
) -> UInt8[Tensor, "B C _H _W"]:
    """The pictures after several augmentations, one after the other, by what `draw_all` has drawn for each picture."""
    for augmentation, drawn in zip(augmentations, draws, strict=True):
        pictures = augmentation.apply(pictures, drawn)
    return pictures


@dataclass(frozen=True)
class Crop(Augmentation, kind="crop"):
    """Moves a picture by a few pixels: a border is added, and a window of the old size is cut out anywhere."""

    padding: int = 4
    """Pixels of the border: the most by which a picture moves."""
    border: Literal["zeros", "reflect"] = "zeros"
    """What the border shows: black, or the picture mirrored."""

    def validate(self) -> None:
        self.require(self.padding >= 0, "padding", "0 or more")

    def draw(self, count: int, source: Generator) -> Int64[Tensor, "_count 2"]:
        """Row and column of the window within the border."""
        return torch.randint(2 * self.padding + 1, (count, 2), generator=source)

    def apply(self, pictures: UInt8[Tensor, "B C H W"], draws: Int64[Tensor, "B 2"]) -> UInt8[Tensor, "B C H W"]:
        """Cuts the windows out.

        Raises:
            ValueError: if pictures are too small to be mirrored.
        """
        height, width = pictures.shape[2:]
        mirrored = self.border == "reflect"
        if mirrored and self.padding >= min(height, width):
            raise ValueError(
                f"pictures of {height}x{width} pixels: expected more than {self.padding} on each side, "
                "to mirror so many around them"
            )
        mode = "reflect" if mirrored else "constant"
        framed = functional.pad(pictures, (self.padding,) * 4, mode=mode)  # (B, C, H + 2 padding, W + 2 padding)
        windows = framed.unfold(2, height, 1).unfold(3, width, 1)  # (B, C, rows, columns, H, W), a view
        rows, columns = draws.to(pictures.device).unbind(1)  # (B,)
        return windows[torch.arange(len(pictures), device=pictures.device), :, rows, columns]


@dataclass(frozen=True)
class Flip(Augmentation, kind="flip"):
    """Mirrors some of the pictures, left to right."""

    probability: float = 0.5
    """How likely each of them is mirrored."""

    def validate(self) -> None:
        self.require(0 <= self.probability <= 1, "probability", "between 0 and 1")

    def draw(self, count: int, source: Generator) -> Bool[Tensor, "_count"]:
        """Whether to mirror."""
        return torch.rand(count, generator=source) < self.probability

    def apply(self, pictures: UInt8[Tensor, "B C H W"], draws: Bool[Tensor, "B"]) -> UInt8[Tensor, "B C H W"]:
        return torch.where(draws.to(pictures.device)[:, None, None, None], pictures.flip(-1), pictures)


@dataclass(frozen=True)
class ResizedCrop(Augmentation, kind="resized_crop"):
    """A part of the picture, of random size, shape and place, resized: as usual for ImageNet (Szegedy et al. 2015)."""

    size: int = 224
    """Sides of the results, which are square."""
    area: tuple[float, float] = (0.08, 1.0)
    """The least and the most of a picture's area that is shown."""
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    """The least and the greatest ratio of width to height of what is shown."""

    _TRIES = 10

    def validate(self) -> None:
        self.require(self.size >= 1, "size", "at least 1")
        self.require(0 < self.area[0] <= self.area[1] <= 1, "area", "the least, more than 0, and the most, at most 1")
        self.require(0 < self.aspect[0] <= self.aspect[1], "aspect", "the least, more than 0, and the greatest")

    def draw(self, count: int, source: Generator) -> Float[Tensor, "_count _numbers"]:
        """Numbers between 0 and 1, from which `boxes` makes a box for a picture of any size."""
        return torch.rand(count, 2 * self._TRIES + 2, generator=source, dtype=torch.float64)

    def boxes(self, draws: Float[Tensor, "B _numbers"], sizes: Int64[Tensor, "B 2"]) -> Int64[Tensor, "B 4"]:
        """The part of each picture to show: the first of ten tries that fits, or else as much of its middle as allowed.

        Args:
            draws: of `draw`.
            sizes: heights and widths of the pictures, which may differ.

        Returns:
            top, left, height and width of each.
        """
        area, shape = draws[:, :-2].view(len(draws), self._TRIES, 2).unbind(-1)  # (B, tries)
        whole_height, whole_width = sizes.unbind(1)  # (B,)
        area = (self.area[0] + area * (self.area[1] - self.area[0])) * (whole_height * whole_width)[:, None]
        low, high = map(math.log, self.aspect)
        aspect = (low + shape * (high - low)).exp()  # (B, tries)
        widths, heights = (area * aspect).sqrt().round().long(), (area / aspect).sqrt().round().long()
        fits = (widths > 0) & (widths <= whole_width[:, None]) & (heights > 0) & (heights <= whole_height[:, None])
        first = fits.int().argmax(1, keepdim=True)  # (B, 1)
        found = fits.any(1)
        width = (whole_height * self.aspect[1]).round().long().minimum(whole_width)  # of the middle, (B,)
        height = (whole_width / self.aspect[0]).round().long().minimum(whole_height)
        width = torch.where(found, widths.gather(1, first).squeeze(1), width)
        height = torch.where(found, heights.gather(1, first).squeeze(1), height)
        place = torch.where(found[:, None], draws[:, -2:], 0.5)  # (B, 2)
        top = (place[:, 0] * (whole_height - height + 1)).long()
        left = (place[:, 1] * (whole_width - width + 1)).long()
        return torch.stack([top, left, height, width], dim=1)

    def apply(
        self, pictures: UInt8[Tensor, "B C H W"], draws: Float[Tensor, "B _numbers"]
    ) -> UInt8[Tensor, "B C _size _size"]:
        sizes = torch.tensor(pictures.shape[2:]).expand(len(pictures), 2)
        return resize_boxes(pictures, self.boxes(draws, sizes), (self.size, self.size))
