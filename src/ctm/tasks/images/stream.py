"""Pictures read in passing: groups of rows of Parquet files, on the hub or here, fetched when a picture of them is due.

The library `datasets` says which files and classes a data set has. A file's footer says how many rows each of its
groups has, so every order of rows is known before any picture is there, and training goes on at any iteration without
reading what came before it.
"""

import contextlib
import logging
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Int64
from PIL import Image
from torch import Tensor

from ctm.errors import DataError
from ctm.randomness import generator, shuffled
from ctm.tasks.hub import fetch
from ctm.tasks.images.pictures import Pictures, Unreachable
from ctm.tasks.images.rows import NO_LABEL, find_columns, has_rows, open_stored, wrong_label

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import FileMetaData, ParquetFile

FOOTERS = 16
"""Files whose footers are read at a time."""

log = logging.getLogger(__name__)


class RowGroups:
    """The rows of Parquet files, read a group at a time. Those read last stay in memory.

    No file is left open, so that worker processes share none.

    Args:
        files: paths or addresses, as of `hf://`.
        footers: of each of them.
        columns: names of those to read.
        buffer: rows that are mixed with each other.

    Attributes:
        counts: (G,) int64, the rows of each group.
    """

    def __init__(
        self, files: Sequence[str], footers: "Sequence[FileMetaData]", columns: Sequence[str], buffer: int
    ) -> None:
        self.files, self.columns, self.buffer = files, list(columns), buffer
        self._footers = footers
        groups = [(file, group) for file, footer in enumerate(footers) for group in range(footer.num_row_groups)]
        counts = [footers[file].row_group(group).num_rows for file, group in groups]
        self._groups = [group for group, count in zip(groups, counts, strict=True) if count]
        self.counts = torch.tensor([count for count in counts if count], dtype=torch.int64)  # (G,)
        self._ends = self.counts.cumsum(0)  # (G,)
        self._read: dict[int, pa.Table] = {}

    def __len__(self) -> int:
        """How many rows there are."""
        return int(self.counts.sum())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": {}}

    def order(self, seed: int, epoch: int) -> Int64[Tensor, "N"]:
        """All rows, shuffled: the groups first, and then each so many rows that follow one another as `buffer` says."""
        groups = torch.randperm(len(self.counts), generator=generator(seed, "row groups", epoch))  # (G,)
        counts = self.counts[groups]
        moved = (self._ends - self.counts)[groups] - (counts.cumsum(0) - counts)
        position = torch.arange(len(self))  # (N,)
        rows = position + moved.repeat_interleave(counts)
        noise = torch.rand(len(self), generator=generator(seed, "rows", epoch), dtype=torch.float64)
        return rows[(position // self.buffer + noise).argsort(stable=True)]

    def value(self, row: int, column: str) -> Any:
        """What stands in a row.

        Raises:
            Unreachable: if it cannot be read.
        """
        group = int(torch.searchsorted(self._ends, row, right=True))
        table = self._table(group)
        return table[column][row - int(self._ends[group] - self.counts[group])].as_py()

    def _table(self, group: int) -> "pa.Table":
        """A group of rows."""
        table = self._read.pop(group, None)
        if table is None:
            file, number = self._groups[group]
            with _opened(self.files[file], self._footers[file]) as opened:
                table = opened.read_row_group(number, columns=self.columns).select(self.columns)
        self._read[group] = table  # as the last of them
        room = self.buffer + 2 * int(self.counts.max())  # the groups of as many rows as are mixed, both ends cut
        while sum(map(len, self._read.values())) > room:
            del self._read[next(iter(self._read))]
        return table


class StreamedPictures(Pictures):
    """Pictures whose labels, too, are known only once they are read.

    Each process and each worker reads the groups of rows that hold its own pictures, and decodes no others. As batches
    are mixed from several groups, that is nearly all of the data set in each process, and, where a batch is smaller
    than the buffer, in each worker: to train for long, fetch the data set first.

    Args:
        source: what to call the split.
        groups: its rows, with a column of pictures and one of labels.
        classes: names.
        rows: (N,) int64, which rows, in order; nothing for all.
    """

    def __init__(
        self,
        source: str,
        groups: RowGroups,
        classes: tuple[str, ...],
        rows: Int64[Tensor, "N"] | None = None,
    ) -> None:
        self.source, self.groups, self.classes = source, groups, classes
        self.rows = torch.arange(len(groups)) if rows is None else rows
        self._order_of: tuple[int, int] | None = None
        self._order = self.rows

    def __len__(self) -> int:
        return len(self.rows)

    def open(self, index: int) -> Image.Image:
        return open_stored(self._value(index, 0))

    def name(self, index: int) -> str:
        return f"{self.source}: row {int(self.rows[index])}"

    def label(self, index: int) -> int:
        """The class of a picture, a place in `classes`.

        Raises:
            DataError: if it is none of them.
            Unreachable: if it cannot be read.
        """
        label = self._value(index, 1)
        if label not in range(len(self.classes)):
            raise wrong_label(self.name(index), label, len(self.classes))
        return label

    def present(self) -> Tensor:
        """All classes, since which of them there are pictures of is not known yet."""
        return torch.arange(len(self.classes) if len(self) else 0)

    def select(self, indices: Tensor) -> "StreamedPictures":
        """Some of these pictures, in the order of the stream."""
        return StreamedPictures(self.source, self.groups, self.classes, self.rows[indices.sort().values])

    def shuffled(self, seed: int, start: int, count: int) -> Tensor:
        return shuffled(len(self), seed, start, count, self._ordered)

    def _ordered(self, seed: int, epoch: int) -> Int64[Tensor, "N"]:
        """All places in the order of an epoch, which is kept until another one is asked for."""
        if self._order_of != (seed, epoch):
            places = torch.full((len(self.groups),), -1)
            places[self.rows] = torch.arange(len(self))
            ordered = places[self.groups.order(seed, epoch)]
            self._order_of, self._order = (seed, epoch), ordered[ordered >= 0]
        return self._order

    def _value(self, index: int, column: int) -> Any:
        return self.groups.value(int(self.rows[index]), self.groups.columns[column])


def find_streams(data: str, picture_column: str | None, label_column: str | None, buffer: int) -> dict[str, Pictures]:
    """The splits of a data set in Parquet files, by name; those without labels are left out.

    Args:
        data: a name on the hub; or a local folder, or a file.
        picture_column, label_column: names of columns; nothing to find the only one there is.
        buffer: pictures that are mixed with each other.

    Raises:
        DataError: if it cannot be had, or has no pictures with labels, or its schema does not name the classes.
        Unreachable: if a file cannot be read.
    """
    path = Path(data).expanduser()
    if data == "digits" or (path.exists() and not has_rows(path)):
        raise DataError(f"{data}: no Parquet files, which streaming needs; leave --task.streaming out")
    otherwise = "give a folder with its Parquet files as --task.data"
    builder = fetch(str(path) if path.exists() else data, otherwise, "load_dataset_builder")
    import datasets  # which `fetch` says how to install

    if builder.name != "parquet":
        raise DataError(f"{data}: its files are {builder.name}, not Parquet; leave --task.streaming out")
    found: dict[str, Pictures] = {}
    unlabelled = []
    for split, files in builder.config.data_files.items():
        source, files = f"{data}: {split}", list(map(str, files))
        with ThreadPoolExecutor(FOOTERS) as pool:
            footers = list(pool.map(_footer, files))
        features = builder.info.features or datasets.Features.from_arrow_schema(footers[0].schema.to_arrow_schema())
        picture, label, names = find_columns(source, features, picture_column, label_column)
        if names is None:
            raise DataError(f"{source}: {label}: the schema names no classes; leave --task.streaming out")
        groups = RowGroups(files, footers, (picture, label), buffer)
        log.info("%s: %d pictures in %d files", source, len(groups), len(files))
        if len(groups) and _no_labels(groups, label):
            unlabelled.append(str(split))
        else:
            found[str(split)] = StreamedPictures(source, groups, tuple(names))
    if not found:
        raise DataError(f"{data}: no labels in {', '.join(unlabelled) or 'it'}")
    if len({pictures.classes for pictures in found.values()}) > 1:
        raise DataError(f"{data}: the classes of {', '.join(found)} differ; leave --task.streaming out")
    return found


def _no_labels(groups: RowGroups, column: str) -> bool:
    """Whether the first rows have none, as of a test split whose answers are kept secret."""
    return all(groups.value(row, column) in NO_LABEL for row in range(int(groups.counts[0])))


def _footer(file: str) -> "FileMetaData":
    with _opened(file) as opened:
        return opened.metadata


@contextlib.contextmanager
def _opened(file: str, footer: "FileMetaData | None" = None) -> "Generator[ParquetFile]":
    """A file, whose footer may be known already. All that goes wrong meanwhile is told as one error."""
    import fsspec
    from pyarrow.parquet import ParquetFile

    try:
        system, path = fsspec.core.url_to_fs(file)
        with system.open(path, "rb", cache_type="none") as source:  # so that no more is fetched than what is asked for
            yield ParquetFile(source, metadata=footer, pre_buffer=True)
    except Exception as error:  # of file systems, networks and Parquet
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise Unreachable(f"{file}: cannot be read ({reason})") from error
