"""Reading MNIST."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ctm.errors import DataError
from ctm.tasks.hub import fetch

Samples = tuple[Tensor, Tensor]  # pictures (N, 28, 28) uint8, labels (N,) int64

STEMS = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
WHERE_FROM = (
    "give the folder of the four MNIST files (train-images-idx3-ubyte.gz, …) as --task.folder, "
    "or for questions about them as --task.images.folder"
)


def read_folder(folder: str | Path) -> tuple[Samples, Samples]:
    """The training and the test samples from the four original files, plain or gzipped.

    Raises:
        DataError: if the folder or a file is missing, or a file is not what its name says.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; {WHERE_FROM}")
    train, test = ((read_idx(folder, pictures, 3), read_idx(folder, labels, 1).long()) for pictures, labels in STEMS)
    for (pictures, labels), (stem, _) in zip((train, test), STEMS, strict=True):
        if len(pictures) != len(labels):
            raise DataError(f"{folder}/{stem}: {len(pictures)} pictures, but {len(labels)} labels")
    return train, test


def read_idx(folder: Path, stem: str, dimensions: int) -> Tensor:
    """One IDX file of unsigned bytes: two zero bytes, the type 8, the number of dimensions, their sizes, the data."""
    path = next((folder / name for name in (stem, f"{stem}.gz") if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder}: no {stem} or {stem}.gz; {WHERE_FROM}")
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


def read_hub(name: str) -> tuple[Samples, Samples]:
    """The training and the test samples from a data set with columns `image` and `label` on the Hugging Face hub.

    Raises:
        DataError: if the data set cannot be had.
    """
    splits = fetch(name, WHERE_FROM)
    train, test = (
        (
            torch.from_numpy(np.stack([np.asarray(picture, np.uint8) for picture in splits[split]["image"]])),
            torch.tensor(splits[split]["label"]),
        )
        for split in ("train", "test")
    )
    return train, test
