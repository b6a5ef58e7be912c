"""Samples of the user's, looked at before anything is done with them."""

from typing import NamedTuple

import numpy as np

from ctm.errors import DataError

Label = int | str


class Samples(NamedTuple):
    """Inputs and labels of a file, or given in Python."""

    source: str
    """What to call them in messages: the file, or the argument."""
    names: tuple[str, str]
    """What the inputs and the targets are called there."""
    inputs: np.ndarray  # (N, features), (N, time, channels) or (N, H, W, C), float32
    targets: np.ndarray  # (N,) or (N, positions), int64 or text
    rows: np.ndarray  # (N,) where each of them is in the source
    columns: tuple[str, ...] = ()
    """Names of the features of a table."""

    def take(self, index: np.ndarray) -> "Samples":
        """Some of them."""
        return self._replace(inputs=self.inputs[index], targets=self.targets[index], rows=self.rows[index])


def checked(
    source: str, names: tuple[str, str], inputs: np.ndarray, targets: np.ndarray, columns: tuple[str, ...] = ()
) -> Samples:
    """The samples, if they can be learned from.

    Args:
        source: what to call them in messages, with the following names of the two arrays.
        names: of inputs and targets.
        inputs: numbers (N, features), (N, time, channels) or (N, H, W, C).
        targets: whole numbers or text, (N,) or (N, positions).
        columns: names of the features, if they have any.

    Raises:
        DataError: if these are of another shape or type, not finite, or not equally many.
    """
    x, y = (f"{source}: {name}" for name in names)
    values = numbers(x, inputs)
    if values.ndim not in (2, 3, 4):
        shapes = "(N, features) for vectors, (N, time, channels) for series, (N, H, W, C) for maps"
        raise DataError(f"{x}: shape {values.shape}: expected {shapes}")
    if targets.ndim not in (1, 2):
        shapes = "(N,) for a label a sample, (N, positions) for a label at each position"
        raise DataError(f"{y}: shape {targets.shape}: expected {shapes}")
    if len(values) != len(targets):
        raise DataError(f"{x} has {len(values)} samples and {names[1]} {len(targets)}: expected equally many")
    if not all(values.shape) or not all(targets.shape):
        raise DataError(
            f"{source}: {names[0]} {values.shape}, {names[1]} {targets.shape}: expected at least one sample"
        )
    return Samples(source, names, values, labels(y, targets), np.arange(len(values)), columns)


def numbers(where: str, values: np.ndarray) -> np.ndarray:
    """An array as float32.

    Raises:
        DataError: if it holds no numbers, or some that are not finite; with the row of the first.
    """
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where}: values of type {values.dtype}: expected numbers")
    with np.errstate(over="ignore"):
        converted = values.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(converted))
    if len(wrong):
        raise DataError(f"{where}: {values[tuple(wrong[0])]} in row {wrong[0][0]}: expected finite numbers (float32)")
    return converted


def labels(where: str, values: np.ndarray) -> np.ndarray:
    """Labels as int64 or as text.

    Raises:
        DataError: if they are something else.
    """
    if values.dtype.kind in "biu":
        return values.astype(np.int64)
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    if values.dtype.kind == "U":
        return values
    raise DataError(
        f"{where}: values of type {values.dtype}: expected whole numbers or text, as of .astype(int) or str"
    )


def encoded(samples: Samples, classes: tuple[Label, ...]) -> np.ndarray:
    """The targets as places in `classes`, int64.

    Raises:
        DataError: for a label that is none of them, with its row.
    """
    place = {label: index for index, label in enumerate(classes)}
    flat = [place.get(label, -1) for label in samples.targets.ravel().tolist()]
    found = np.array(flat, dtype=np.int64).reshape(samples.targets.shape)
    unknown = np.argwhere(found < 0)
    if len(unknown):
        label = samples.targets[tuple(unknown[0])].item()
        shown = ", ".join(map(str, classes[:10])) + (", …" if len(classes) > 10 else "")
        raise DataError(
            f"{samples.source}: {samples.names[1]}: {label!r} in row {samples.rows[unknown[0][0]]}: no sample to train "
            f"on has this label; they have {shown}; give more samples of it, or leave it out"
        )
    return found
