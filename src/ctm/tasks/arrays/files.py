"""The files that hold a user's samples: NumPy's .npz, and tables as .csv or .parquet."""

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ctm.errors import DataError
from ctm.tasks.arrays.samples import Samples, checked

SUFFIXES = (".npz", ".csv", ".parquet")


def read(path: Path, names: tuple[str, str], target: str | None) -> Samples:
    """The samples of a file.

    Args:
        path: ends in .npz, .csv or .parquet.
        names: the arrays of inputs and targets in an .npz.
        target: the column of labels in a table; all others are features.

    Raises:
        DataError: if the file is missing, of another kind or broken, or what it holds cannot be learned from.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.suffix == ".npz":
        inputs, targets = (read_array(path, name) for name in names)
        return checked(str(path), names, inputs, targets)
    header, columns = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    if target is None or target not in header:
        known = ", ".join(header)
        found = "" if target is None else f"no column {target!r}: "
        raise DataError(f"{path}: {found}name that of the labels with --task.target; the columns are {known}")
    features = tuple(name for name in header if name != target)
    if not features:
        raise DataError(f"{path}: has no column but {target}: expected features, too")
    parsed = [_numbers(path, name, columns[name]) for name in features]
    return checked(str(path), ("features", target), np.stack(parsed, axis=1), _labels(path, target, columns), features)


def read_array(path: Path, name: str) -> np.ndarray:
    """The array of an .npy, or the one of a name in an .npz.

    Raises:
        DataError: if there is none, or it holds Python objects.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            if name in found.files:
                return found[name]
            known = ", ".join(found.files) or "none"
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: {name}: expected an array of numbers or text, as np.savez writes it ({reason})"
        ) from None
    options = "--task.inputs-name and --task.targets-name say what they are called"
    raise DataError(f"{path}: no array {name!r}: there are {known}; {options}")


def _read_csv(path: Path) -> tuple[list[str], dict[str, Sequence[Any]]]:
    """Header and cells."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file, strict=True) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file in UTF-8 ({error})") from None
    for number, row in enumerate(rows):
        if len(row) != len(header):
            raise DataError(f"{path}: row {number} has {len(row)} cells: expected {len(header)}, as the header")
    if len(set(header)) != len(header):
        raise DataError(f"{path}: header {', '.join(header)}: expected a different name for each column")
    return header, {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _read_parquet(path: Path) -> tuple[list[str], dict[str, Sequence[Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError(
            f"{path}: to read Parquet takes pyarrow: pip install 'continuous-thought-machines[parquet]'"
        ) from None
    try:
        table = parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({error})") from None
    return table.column_names, {name: table[name].to_pylist() for name in table.column_names}


def _numbers(path: Path, name: str, cells: Sequence[Any]) -> np.ndarray:
    """A column of features."""
    numbers = np.empty(len(cells))
    for row, cell in enumerate(cells):
        try:
            numbers[row] = float(cell)
        except (TypeError, ValueError):
            raise DataError(f"{path}: column {name!r}: {cell!r} in row {row}: expected a number") from None
        if not np.isfinite(numbers[row]):
            raise DataError(f"{path}: column {name!r}: {cell} in row {row}: expected a finite number")
    return numbers


def _labels(path: Path, name: str, columns: dict[str, Sequence[Any]]) -> np.ndarray:
    """A column of labels: whole numbers if all of them are, else text."""
    cells = columns[name]
    for row, cell in enumerate(cells):
        if cell in (None, ""):
            raise DataError(f"{path}: column {name!r}: nothing in row {row}: expected a label")
    words = [str(cell) for cell in cells]
    try:
        whole = [int(word) for word in words]
    except ValueError:
        return np.array(words, dtype=np.str_)
    return np.array(whole if list(map(str, whole)) == words else words)  # "007" and "1_0" are names
