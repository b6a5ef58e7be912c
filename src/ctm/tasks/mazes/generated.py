"""Sets of generated mazes, made once and kept on disk."""

import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ctm.randomness import generator
from ctm.tasks.base import DataError, Split
from ctm.tasks.mazes.generate import draw
from ctm.tasks.mazes.store import Store
from ctm.tasks.mazes.symmetry import fingerprints
from ctm.tasks.mazes.workers import workers

CHUNK = 500
"""Mazes that are drawn together, from a seed of their own: so nothing depends on the number of processes."""


def generated(
    size: int, train: int, test: int, seed: int, cache: Path | None = None, processes: int | None = None
) -> dict[Split, Store]:
    """The training and the test mazes: from disk, or made now and kept there.

    No test maze is among those to train on, nor a turned or mirrored one.

    Args:
        size: S, pixels of a side.
        train: how many mazes to train on.
        test: how many to be tested on.
        seed: which ones.
        cache: folder of the files; by default `ctm/mazes` in the user's cache folder.
        processes: which share the work; by default one for each core.

    Raises:
        DataError: if a file is damaged, or there are too few mazes of this size to have different ones to test on.
    """
    folder = default_cache() if cache is None else cache
    name = f"mazes-{size}-seed-{seed}-{train}-and-{test}"
    paths: dict[Split, Path] = {split: folder / f"{name}-{split}.safetensors" for split in ("test", "train")}
    if not all(path.is_file() for path in paths.values()):
        with workers(math.ceil((train + test) / CHUNK), processes) as drawing:
            tested, prints = _collect(drawing, size, test, seed, "test", np.empty(0, np.uint64))
            learned, _ = _collect(drawing, size, train, seed, "train", prints)
        tested.save(paths["test"])
        learned.save(paths["train"])
    return {split: Store.load(path) for split, path in paths.items()}


def default_cache() -> Path:
    """Where generated mazes are kept unless one says otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ctm" / "mazes"


def _collect(
    drawing: Callable[..., Any], size: int, count: int, seed: int, split: Split, without: np.ndarray
) -> tuple[Store, np.ndarray]:
    """Mazes whose fingerprints are not `without`, and their fingerprints."""
    stores, prints, missing, chunk = [], [], count, 0
    while missing > 0:
        chunks = range(chunk, chunk + math.ceil(missing / CHUNK))
        before, chunk = missing, chunks.stop
        for store, found in drawing(partial(_chunk, size, seed, split), chunks):
            new = ~np.isin(found, without)
            stores.append(store.take(new))
            prints.append(found[new])
            missing -= int(new.sum())
        if missing > 0.99 * before:
            raise DataError(
                f"too few different mazes of {size} x {size}: hardly one to train on is not among those to test on; "
                "ask for larger mazes, or fewer to test on"
            )
    return Store.join(stores).take(slice(count)), np.concatenate(prints)[:count]


def _chunk(size: int, seed: int, split: Split, chunk: int) -> tuple[Store, np.ndarray]:
    grids = draw(CHUNK, size, generator("mazes", seed, size, split, chunk))
    return Store.pack(grids), fingerprints(grids)
