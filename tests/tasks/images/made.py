"""Pictures, and data sets of them, that tests make for themselves."""

import io

import numpy as np
import torch
from PIL import Image

from ctm.tasks.images.pictures import ArrayPictures, Pictures

COLOURS = {"blue": (20, 40, 200), "green": (30, 180, 60), "red": (220, 40, 30)}


def noise(width=12, height=12, mode="RGB", seed=0):
    """A picture of random pixels."""
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8))


def encoded(picture, kind="PNG", **options):
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def folder_of(path, counts, size=(12, 12), seed=0):
    """A folder with so many pictures of each class, which has a colour of its own if it is called after one."""
    source = np.random.default_rng(seed)
    for name, count in counts.items():
        (path / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = source.integers(0, 80, (size[1], size[0], 3)) + np.array(COLOURS.get(name, (90, 90, 90))) * 0.6
            Image.fromarray(pixels.astype(np.uint8)).save(path / name / f"{number}.png")
    return path


def mixed_sizes(path):
    """A folder of three classes, whose pictures have different sizes."""
    for name in "abc":
        folder_of(path, {name: 6}, size=(8 + ord(name) % 5, 9), seed=ord(name))
    return path


def array_pictures(count, size=8, classes=3):
    """Pictures (size, size) whose pixels are all their own number, with labels in turn."""
    pixels = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], (count, size, size)).copy()
    return ArrayPictures("made", pixels, torch.arange(count) % classes, tuple("abcdefghij"[:classes]))


class Files(Pictures):
    """Pictures in files, given as bytes."""

    def __init__(self, files, labels=None):
        self.files, self.classes = files, ("even", "odd")
        self.labels = torch.arange(len(files)) % 2 if labels is None else torch.tensor(labels)

    def open(self, index):
        return Image.open(io.BytesIO(self.files[index]))

    def name(self, index):
        return f"file {index}"
