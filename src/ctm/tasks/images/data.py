"""What the pictures of a data set are: where it lies, its splits, its classes and sizes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ctm.errors import DataError
from ctm.randomness import shuffled
from ctm.tasks.images import pictures as bundled
from ctm.tasks.images.folder import read_folder
from ctm.tasks.images.idx import has_idx, read_mnist
from ctm.tasks.images.pictures import Pictures
from ctm.tasks.images.rows import has_rows, read_rows

NAMES = {"train": ("train", "training"), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""What splits are called, where nothing else is said."""

HUB_NAME = r"\w[\w.-]*/[\w.-]+"


class Splits(NamedTuple):
    """All pictures."""

    train: Pictures
    validation: Pictures
    test: Pictures


def find(data: str, picture_column: str | None = None, label_column: str | None = None) -> dict[str, Pictures]:
    """The splits of a data set, by the names that it gives them.

    Args:
        data: "digits"; a folder with a subfolder for each class, perhaps in one for each split; a folder of MNIST's
            four files; a folder or a file in the schema of the Hugging Face hub; or a name on the hub.
        picture_column, label_column: of the last two; nothing to find the only one there is.

    Raises:
        DataError: if it cannot be had, or is none of these.
    """
    path = Path(data).expanduser()
    if data == "digits":
        try:
            return {"train": bundled.digits()}
        except ImportError as error:
            needed = "pip install 'continuous-thought-machines[data]'"
            raise DataError(f"the digits come with scikit-learn: {needed}") from error
    if path.is_dir() and has_idx(path):
        return read_mnist(path)
    if not path.exists() and not re.fullmatch(HUB_NAME, data):
        raise DataError(f"{path}: no such folder, nor a name on the Hugging Face hub, which is OWNER/NAME")
    if not path.exists() or has_rows(path):
        return read_rows(data if not path.exists() else str(path), picture_column, label_column)
    if not path.is_dir():
        raise DataError(f"{path}: a file; expected a folder with a subfolder of pictures for each class, or a .parquet")
    return read_folder(path)


def split(
    data: str,
    found: Mapping[str, Pictures],
    names: Mapping[str, str | None],
    shares: tuple[float, float],
    seed: int,
) -> Splits:
    """Chooses the three splits, and holds out what is missing.

    Args:
        data: what to call it in messages.
        found: of `find`.
        names: of the splits "train", "validation" and "test"; nothing for what they are usually called.
        shares: of the training pictures, to validate on and to test on, where there is no split for it.
        seed: which these are.

    Raises:
        DataError: if there is no split of a name, too few pictures, or fewer than two classes.
    """
    empty = next((part for part, pictures in found.items() if not len(pictures)), None)
    if empty is not None:
        raise DataError(f"{data}: no pictures in the split {empty!r}")
    chosen = {part: _named(data, found, part, names) for part in names}
    train = chosen["train"]
    if train is None and len(found) == 1:
        (train,) = found.values()
    if train is None:
        raise DataError(f"{data}: no split 'train', but {', '.join(found)}: name it as --task.train-split")
    present = train.present()
    if len(present) < 2:
        only = train.classes[int(present[0])]
        raise DataError(f"{data}: all pictures to train on are of one class, {only}; expected two or more")
    validation, test = (_with_classes(data, chosen[part], train.classes) for part in ("validation", "test"))
    indices = torch.arange(len(train))
    if test is None:
        indices, held = holdout(indices, shares[1], seed)
        test = train.select(held)
    if validation is None:
        indices, held = holdout(indices, shares[0], seed)
        validation = train.select(held)
    return Splits(train.select(indices), validation, test)


def some(pictures: Pictures, count: int) -> Tensor:
    """The places of at most so many pictures, at random, always the same ones."""
    return pictures.shuffled(seed=0, start=0, count=min(count, len(pictures)))


def holdout(indices: Tensor, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Splits the places of samples at random into those to keep and those to hold out, about `share` of them.

    Raises:
        DataError: if no sample would be left, or none held out.
    """
    order = shuffled(len(indices), seed, 0, len(indices))
    held = round(share * len(order))
    if not 0 < held < len(order):
        raise DataError(
            f"a share of {share} of {len(order)} samples: {held} held out, {len(order) - held} left; "
            "expected at least one of each"
        )
    return indices[order[held:]], indices[order[:held]]


def _named(data: str, found: Mapping[str, Pictures], part: str, names: Mapping[str, str | None]) -> Pictures | None:
    """The split that is named for a part, or else that of its usual name, unless this is another part's."""
    if (name := names[part]) is not None:
        if name not in found:
            raise DataError(f"{data}: no split {name!r} (task.{part}_split), but {', '.join(found)}")
        return found[name]
    return next((found[usual] for usual in NAMES[part] if usual in found and usual not in names.values()), None)


def _with_classes(data: str, pictures: Pictures | None, classes: tuple[str, ...]) -> Pictures | None:
    """The pictures, with labels that are places in `classes`."""
    if pictures is None or pictures.classes == classes:
        return pictures
    unknown = [name for name in pictures.classes if name not in classes]
    if unknown:
        raise DataError(f"{data}: class {unknown[0]!r}: no picture to train on is of it")
    places = torch.tensor([classes.index(name) for name in pictures.classes])
    pictures.labels, pictures.classes = places[pictures.labels], classes
    return pictures
