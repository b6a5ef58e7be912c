"""Many mazes in little memory, and on disk."""

import contextlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ctm.errors import DataError
from ctm.tasks.mazes.grid import WAIT, Grids

NAMES = ("open", "ends", "moves")


@dataclass(frozen=True)
class Store:
    """N mazes; 45,000 of 39 x 39 take 30 MB, which stay on disk until they are looked at."""

    size: int
    """S, pixels of a side."""
    open: np.ndarray  # (N, ceil(S S / 8)) uint8, a bit for every cell
    ends: np.ndarray  # (N, 4) uint8, start and goal
    moves: np.ndarray  # (N, longest) uint8

    def __len__(self) -> int:
        return len(self.open)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All but the size."""
        return {name: getattr(self, name) for name in NAMES}

    @classmethod
    def pack(cls, grids: Grids) -> "Store":
        """Takes little memory for mazes of up to 255 x 255."""
        size = grids.open.shape[-1]
        ends = torch.cat([grids.start, grids.goal], 1)
        bits = np.packbits(grids.open.flatten(1).numpy(), axis=1)
        return cls(size, bits, ends.numpy().astype(np.uint8), grids.moves.numpy().astype(np.uint8))

    @classmethod
    def join(cls, stores: Sequence["Store"]) -> "Store":
        """All mazes of several stores, of one size."""
        longest = max(store.moves.shape[1] for store in stores)
        moves = [
            np.pad(store.moves, ((0, 0), (0, longest - store.moves.shape[1])), constant_values=WAIT) for store in stores
        ]
        opened, ends = ([store.arrays[name] for store in stores] for name in ("open", "ends"))
        return cls(stores[0].size, *map(np.concatenate, (opened, ends, moves)))

    def take(self, index: Tensor | np.ndarray | slice) -> "Store":
        """Some of the mazes."""
        return Store(self.size, self.open[index], self.ends[index], self.moves[index])

    def grids(self, index: Tensor | np.ndarray | slice = slice(None)) -> Grids:
        """Some of the mazes, unpacked."""
        chosen = self.take(index)
        bits = np.unpackbits(chosen.open, axis=1, count=self.size**2).reshape(-1, self.size, self.size)
        start, goal = torch.from_numpy(chosen.ends.astype(np.int64)).split(2, 1)
        return Grids(torch.from_numpy(bits.view(bool)), start, goal, torch.from_numpy(chosen.moves.astype(np.int64)))

    def save(self, path: Path) -> None:
        """Writes a file, which appears only once it is complete."""
        from safetensors.numpy import save_file

        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        try:
            save_file(arrays, temporary, {"size": str(self.size), "checksum": _checksum(arrays)})
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(temporary)
            raise

    @classmethod
    def load(cls, path: Path) -> "Store":
        """Opens a file, whose mazes are read when they are asked for.

        Raises:
            DataError: if it is damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:  # maps the file into memory, where numpy's would copy it
                arrays = {name: file.get_tensor(name).numpy() for name in NAMES}
                notes = file.metadata() or {}
            store = cls(int(notes["size"]), **arrays)
            whole = notes["checksum"] == _checksum(arrays)
        except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
            raise DataError(f"{path}: not a file of mazes ({error}); remove it, and it will be made again") from error
        if not whole:
            raise DataError(f"{path}: damaged; remove it, and it will be made again")
        return store


def _checksum(arrays: dict[str, np.ndarray]) -> str:
    total = 0
    for name in NAMES:
        total = zlib.crc32(arrays[name].data, total)
    return f"{total:08x}"
