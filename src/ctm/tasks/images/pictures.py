"""Pictures with labels, which are opened when they are needed."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ctm.errors import CTMError
from ctm.randomness import shuffled


class Unreachable(CTMError):
    """Data that cannot be had, perhaps only now: unlike for a broken picture, no other takes their place."""


class Pictures(ABC):
    """Some pictures, each of a class.

    Attributes:
        classes: their names.
        labels: (N,) int64, places in `classes`; none of pictures that are streamed, which have a `label` each.
    """

    classes: tuple[str, ...]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def open(self, index: int) -> Image.Image:
        """A picture, perhaps not decoded yet. Whatever Pillow raises for broken ones is let through."""

    @abstractmethod
    def name(self, index: int) -> str:
        """What to call a picture in messages: its file, or its place."""

    def label(self, index: int) -> int:
        """The class of a picture, a place in `classes`."""
        return int(self.labels[index])

    def present(self) -> Tensor:
        """The classes that there are pictures of, places in `classes`."""
        return self.labels.unique()

    def select(self, indices: Tensor) -> "Pictures":
        """Some of these pictures."""
        return SomePictures(self, indices)

    def shuffled(self, seed: int, start: int, count: int) -> Tensor:
        """Part of an endless stream of places that visits every picture, then every one again in another order.

        Args:
            seed: which stream.
            start: position in the stream.
            count: how many places.

        Returns:
            (count,) int64.
        """
        return shuffled(len(self), seed, start, count)


class ArrayPictures(Pictures):
    """Pictures that are decoded already.

    Args:
        source: where they come from.
        pixels: (N, H, W) or (N, H, W, 3), uint8.
        labels: (N,) int64.
        classes: names.
    """

    def __init__(self, source: str, pixels: np.ndarray, labels: Tensor, classes: tuple[str, ...]) -> None:
        self.source, self.pixels, self.labels, self.classes = source, pixels, labels, classes

    def open(self, index: int) -> Image.Image:
        return Image.fromarray(self.pixels[index])

    def name(self, index: int) -> str:
        return f"{self.source}: picture {index}"


class SomePictures(Pictures):
    """Some of other pictures.

    Args:
        pictures: these.
        indices: (N,) int64, which of them, in order.
    """

    def __init__(self, pictures: Pictures, indices: Tensor) -> None:
        self.pictures, self.indices = pictures, indices
        self.classes, self.labels = pictures.classes, pictures.labels[indices]

    def open(self, index: int) -> Image.Image:
        return self.pictures.open(int(self.indices[index]))

    def name(self, index: int) -> str:
        return self.pictures.name(int(self.indices[index]))


def digits() -> ArrayPictures:
    """The 1,797 handwritten digits of the UCI test set, as scikit-learn ships them: grey, 8x8.

    Raises:
        ImportError: if it is not installed.
    """
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    pixels = np.rint(pictures * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)  # from 0 to 16 at first
    return ArrayPictures("digits", pixels, torch.from_numpy(labels).long(), tuple(map(str, range(10))))
