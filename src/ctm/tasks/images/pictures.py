"""Pictures with labels, which are opened when they are needed."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from PIL import Image
from torch import Tensor


class Pictures(ABC):
    """Some pictures, each of a class.

    Attributes:
        classes: their names.
        labels: (N,) int64, places in `classes`.
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
