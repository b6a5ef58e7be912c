"""The four files of MNIST."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ctm.errors import DataError
from ctm.tasks.images.pictures import ArrayPictures, Pictures

STEMS = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


def has_idx(folder: Path) -> bool:
    """Whether a folder has one of the files."""
    return any((folder / f"{stem}{suffix}").is_file() for pair in STEMS for stem in pair for suffix in ("", ".gz"))


def read_mnist(folder: Path) -> dict[str, Pictures]:
    """The splits "train" and "test" from the four original files, plain or gzipped.

    Raises:
        DataError: if a file is missing or not what its name says, or a label is none.
    """
    found: dict[str, Pictures] = {}
    for split, (stem, label_stem) in zip(("train", "test"), STEMS, strict=True):
        pictures, labels = read_idx(folder, stem, 3), read_idx(folder, label_stem, 1).long()
        if len(pictures) != len(labels):
            raise DataError(f"{folder}/{stem}: {len(pictures)} pictures, but {len(labels)} labels")
        if len(labels) and labels.max() > 9:
            place = int((labels > 9).nonzero()[0])
            raise DataError(f"{folder}/{label_stem}: label {labels[place]} at {place}: expected 0 to 9")
        classes = tuple(map(str, range(10)))
        found[split] = ArrayPictures(f"{folder}/{stem}", pictures.numpy(), labels, classes)
    return found


def read_idx(folder: Path, stem: str, dimensions: int) -> Tensor:
    """One IDX file of unsigned bytes: two zero bytes, the type 8, the number of dimensions, their sizes, the data."""
    path = next((folder / name for name in (stem, f"{stem}.gz") if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder}: no {stem} or {stem}.gz; expected the four files of MNIST there")
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); fetch it again") from error
    header = 4 + 4 * dimensions
    shape = [int.from_bytes(content[at : at + 4]) for at in range(4, header, 4)]
    if content[:4] != bytes([0, 0, 8, dimensions]) or len(content) - header != math.prod(shape):
        raise DataError(f"{path}: not an IDX file of {dimensions}-dimensional bytes, or cut short; fetch it again")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())
