"""The archives that `torch.save` writes: a pickle, and the numbers of every storage as an entry of its own."""

import math
import re
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

from ctm.reference.names import CheckpointError, shown
from ctm.reference.pickles import StoredTensor, interpret

MOST_DIMENSIONS = 8
"""How many a tensor may have."""


class Archive:
    """A `.pt` file, open for reading.

    Entries may not be compressed, as `torch.save` never does, and are together not larger than the file: nothing in it
    becomes larger than it is.

    Args:
        file: the archive, open.
        size: how many bytes it has.

    Raises:
        CheckpointError: if it is no such archive. Whatever `zipfile` raises besides means the same.
    """

    def __init__(self, file: ZipFile, size: int) -> None:
        self._zip, self._storages = file, dict[str, bytearray]()
        entries = file.infolist()
        pickles = [entry.filename for entry in entries if re.fullmatch(r"[^/]+/data\.pkl", entry.filename)]
        if len(pickles) != 1:
            inside = shown(", ".join(entry.filename for entry in entries[:5]))
            raise CheckpointError(f"no checkpoint: an archive with {len(pickles)} data.pkl; it holds {inside}")
        self._root = pickles[0].removesuffix("/data.pkl")
        for entry in entries:
            if entry.compress_type != ZIP_STORED:
                raise CheckpointError(f"refused: {shown(entry.filename)} is compressed, as torch.save never does")
        if (total := sum(entry.file_size for entry in entries)) > size:
            raise CheckpointError(f"refused: its entries claim {total:,} bytes of a file that has {size:,}")
        if self._optional("constants.pkl") is not None:
            raise CheckpointError("refused, only weights and plain values are read: it is a TorchScript program")
        if self._optional("byteorder") not in (None, b"little"):
            raise CheckpointError("its numbers are not little-endian")

    def _optional(self, name: str) -> bytes | None:
        try:
            return self._zip.read(f"{self._root}/{name}")
        except KeyError:
            return None

    def content(self) -> Any:
        """What the pickle says; its tensors are not read yet."""
        return interpret(self._zip.read(f"{self._root}/data.pkl"))

    def tensor(self, stored: StoredTensor) -> Tensor:
        """Reads a tensor.

        Raises:
            CheckpointError: unless it lies within its storage, and the storage is in the archive.
        """
        (dtype, key, count), offset, size, stride = stored
        numbers = self._numbers(key)
        if count * dtype.itemsize != len(numbers):
            raise CheckpointError(f"storage {shown(key)}: {len(numbers)} bytes; expected {count} numbers of {dtype}")
        if not _within(count, offset, size, stride):
            raise CheckpointError(f"storage {shown(key)}: a tensor that reaches beyond its {count} numbers")
        if not numbers:
            return torch.empty(size, dtype=dtype)
        return torch.frombuffer(numbers, dtype=dtype).as_strided(size, stride, offset)

    def _numbers(self, key: str) -> bytearray:
        if key not in self._storages:
            numbers = self._optional(f"data/{key}")
            if numbers is None:
                raise CheckpointError(f"storage {shown(key)}: not in the file")
            self._storages[key] = bytearray(numbers)
        return self._storages[key]


def _within(count: int, offset: Any, size: Any, stride: Any) -> bool:
    """Whether a tensor has no number that its storage lacks, and not more of them."""
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= MOST_DIMENSIONS):
        return False
    if not all(isinstance(number, int) and number >= 0 for number in (offset, *size, *stride)):
        return False
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    return math.prod(size) == 0 or (math.prod(size) <= count and last < count)
