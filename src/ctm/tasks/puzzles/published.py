"""Published puzzles from a folder: `train.csv` and `test.csv`, with the columns source, question, answer and rating.

This is the form of "sudoku-extreme" and "maze-30x30-hard-1k", which the authors of the Hierarchical Reasoning Model put
on the Hugging Face hub as "sapientinc". A line is a puzzle; question and answer are its cells, row by row.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from ctm.errors import DataError
from ctm.randomness import generator
from ctm.tasks.base import Batch, Split

COLUMNS = ["source", "question", "answer", "rating"]
NO_PUZZLE = "no puzzle; expected one in every line after the first"

Reader = Callable[[str], list[int]]
"""Makes numbers of the characters of a question or an answer; its `DataError` does not say where they stand."""


def encoded(text: str, symbols: str, cells: int) -> list[int]:
    """The places of the characters of a text among the symbols.

    Raises:
        DataError: if there are not `cells` of them, or others.
    """
    if len(text) != cells:
        raise DataError(f"{len(text)} characters; expected {cells}, one for each cell")
    unknown = next((character for character in text if character not in symbols), None)
    if unknown is not None:
        raise DataError(f"{unknown!r}; expected one of {', '.join(map(repr, symbols))}")
    return [symbols.index(character) for character in text]


def check_folder(folder: Path) -> None:
    """Looks whether both files are there and begin as they should, which takes no time.

    Raises:
        DataError: if not; the message names the file.
    """
    for path in (folder / "train.csv", folder / "test.csv"):
        if next(_rows(path), None) is None:
            raise DataError(f"{path}: {NO_PUZZLE}")


def read_test(folder: Path, readers: tuple[Reader, Reader], most: int | None) -> Batch:
    """The puzzles of `test.csv`, questions and answers (N, cells) uint8.

    Args:
        folder: with the file in it.
        readers: of a question and an answer.
        most: how many, from the first; nothing for all.

    Raises:
        DataError: if the file is missing or broken; the message names file and line.
    """
    return _read(folder / "test.csv", readers, None if most is None else range(most))


def read_train(
    folder: Path, readers: tuple[Reader, Reader], most: int | None, held_out: int, seed: int
) -> dict[Split, Batch]:
    """Puzzles of `train.csv`, chosen at random, to learn from and to validate on, (N, cells) uint8 each.

    Only the lines that are chosen are looked at closely: there may be millions.

    Args:
        folder: with the file in it.
        readers: of a question and an answer.
        most: how many to learn from; nothing for all others.
        held_out: how many to validate on, but at most a tenth of all.
        seed: which they are.

    Raises:
        DataError: if the file is missing or broken, or there are too few puzzles; the message names file and line.
    """
    path = folder / "train.csv"
    count = sum(1 for _ in _rows(path))
    held_out = min(held_out, count // 10) or 1
    if count <= held_out:
        raise DataError(f"{path}: {count} puzzles; expected at least 2, since some are held out for validation")
    order = torch.randperm(count, generator=generator("published puzzles", seed)).tolist()
    learned = order[held_out:][:most]
    return {"train": _read(path, readers, learned), "validation": _read(path, readers, order[:held_out])}


def _read(path: Path, readers: tuple[Reader, Reader], chosen: Iterable[int] | None) -> Batch:
    """Some puzzles, counted from 0, in the order of the file."""
    wanted = None if chosen is None else set(chosen)
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for index, (line, texts) in enumerate(_rows(path)):
        if wanted is None or index in wanted:
            for name, text, reader, part in zip(COLUMNS[1:3], texts, readers, parts, strict=True):
                try:
                    part.append(np.array(reader(text), np.uint8))
                except DataError as error:
                    raise DataError(f"{path}, line {line}: {name}: {error}") from None
    if not parts[0]:
        raise DataError(f"{path}: {NO_PUZZLE}")
    return Batch(*(torch.from_numpy(np.stack(part)) for part in parts))


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """The number of every line after the first, and the question and the answer in it."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            if header != COLUMNS:
                shown = ",".join(header)[:80]
                raise DataError(f"{path}, line 1: {shown!r}: expected the columns {','.join(COLUMNS)}")
            for row in lines:
                if len(row) != len(COLUMNS):
                    raise DataError(f"{path}, line {lines.line_num}: {len(row)} columns; expected {len(COLUMNS)}")
                yield lines.line_num, (row[1], row[2])
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file; name a folder with train.csv and test.csv, as in --task.data FOLDER"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
