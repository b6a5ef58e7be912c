"""A folder of pictures: a subfolder for each class."""

from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image

from ctm.errors import DataError
from ctm.tasks.images.pictures import Pictures

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test")
"""Subfolders that are not classes but splits, with classes in them."""


class FilePictures(Pictures):
    """Files.

    Args:
        files: of the pictures.
        labels: their classes, places in `classes`.
        classes: names.
    """

    def __init__(self, files: list[Path], labels: list[int], classes: tuple[str, ...]) -> None:
        self.files, self.labels, self.classes = files, torch.tensor(labels), classes

    def open(self, index: int) -> Image.Image:
        return Image.open(self.files[index])

    def name(self, index: int) -> str:
        return str(self.files[index])


def read_folder(folder: Path) -> dict[str, Pictures]:
    """The splits of a folder of pictures, by name; "train" alone if it has classes and no splits.

    Raises:
        DataError: if there are no classes with pictures in it.
    """
    splits = {child.name.lower(): child for child in _subfolders(folder) if child.name.lower() in SPLITS}
    if not splits.keys() & {"train", "training"}:
        return {"train": _read_classes(folder, None)}
    names = sorted(splits, key=SPLITS.index)
    first = _read_classes(splits[names[0]], None)
    return {names[0]: first} | {name: _read_classes(splits[name], first.classes) for name in names[1:]}


def any_picture(folder: Path) -> Path | None:
    """One of the pictures in the subfolders of a folder, at any depth; nothing if there is none."""
    return next((file for child in _subfolders(folder) for file in _found(child)), None)


def _read_classes(folder: Path, known: tuple[str, ...] | None) -> FilePictures:
    """The pictures below a folder, at any depth, the classes in turn; the subfolder says which class."""
    found = {child.name: _files(child) for child in _subfolders(folder)}
    loose = [path.name for path in sorted(folder.iterdir()) if _is_picture(path)]
    if loose:
        raise DataError(f"{folder / loose[0]}: a picture outside of a class; move it into a subfolder named after one")
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise DataError(f"{folder / empty[0]}: no pictures in it; expected {', '.join(SUFFIXES[:4])}, …")
    if not found:
        raise DataError(f"{folder}: no subfolders; expected one for each class, with its pictures in it")
    classes = tuple(found) if known is None else known
    unknown = [name for name in found if name not in classes]
    if unknown:
        raise DataError(f"{folder / unknown[0]}: no class of the pictures to train on, which are {', '.join(classes)}")
    places = [(place, classes.index(name), path) for name, files in found.items() for place, path in enumerate(files)]
    places.sort(key=lambda picture: picture[:2])  # the classes in turn, so that the first pictures are of all of them
    return FilePictures([path for *_, path in places], [label for _, label, _ in places], classes)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not _is_hidden(Path(child.name)))


def _files(folder: Path) -> list[Path]:
    return sorted(_found(folder))


def _found(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if _is_picture(path) and not _is_hidden(path.relative_to(folder)))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not _is_hidden(Path(path.name)) and path.is_file()


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
