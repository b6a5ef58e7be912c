"""Sets of generated mazes, made once and kept on disk."""

import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ctm.errors import DataError
from ctm.randomness import generator
from ctm.tasks.base import Split
from ctm.tasks.mazes.generate import draw
from ctm.tasks.mazes.store import Store
from ctm.tasks.mazes.symmetry import fingerprints
from ctm.tasks.mazes.workers import workers

DRAWN: tuple[Split, ...] = ("test", "validation", "train")
"""The splits in the order in which they are drawn: each leaves out the mazes of those before."""
CHUNK = 500
"""Mazes that are drawn together, from a seed of their own: so nothing depends on the number of processes."""


def generated(
    size: int, counts: Mapping[Split, int], seed: int, cache: Path | None = None, processes: int | None = None
) -> dict[Split, Store]:
    """The mazes of all splits: from disk, or made now and kept there.

    No maze of a split is in another one, nor a turned or mirrored one.

    Args:
        size: S, pixels of a side.
        counts: how many mazes each split has.
        seed: which ones.
        cache: folder of the files; by default `ctm/mazes` in the user's cache folder.
        processes: which share the work; by default one for each core.

    Raises:
        DataError: if a file is damaged, or there are too few mazes of this size to have different ones in all splits.
    """
    folder = default_cache() if cache is None else cache
    name = f"mazes-{size}-seed-{seed}-{'-'.join(str(counts[split]) for split in DRAWN)}"
    paths = {split: folder / f"{name}-{split}.safetensors" for split in DRAWN}
    if not all(path.is_file() for path in paths.values()):
        taken, stores = np.empty(0, np.uint64), {}
        with workers(math.ceil(sum(counts.values()) / CHUNK), processes) as drawing:
            for split in DRAWN:
                stores[split], prints = _collect(drawing, size, counts[split], seed, split, taken)
                taken = np.concatenate([taken, prints])
        for split, store in stores.items():
            store.save(paths[split])
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
                f"too few different mazes of {size} x {size}: hardly one of the {split} split is not in another one; "
                "ask for larger mazes, or fewer to validate and test on"
            )
    return Store.join(stores).take(slice(count)), np.concatenate(prints)[:count]


def _chunk(size: int, seed: int, split: Split, chunk: int) -> tuple[Store, np.ndarray]:
    grids = draw(CHUNK, size, generator("mazes", seed, size, split, chunk))
    return Store.pack(grids), fingerprints(grids)
