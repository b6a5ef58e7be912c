"""Reading pictures of mazes: a user's own, and the published sets, whose pictures have the solution in blue."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ctm.errors import DataError
from ctm.tasks.base import Split
from ctm.tasks.hub import fetch
from ctm.tasks.mazes.grid import Grids, shortest_route
from ctm.tasks.mazes.store import Store
from ctm.tasks.mazes.workers import workers

BLACK, BLUE, GREEN, RED, WHITE = 0, 1, 2, 4, 7
"""Colours as three bits: red, green and blue."""
COLOURS = {BLACK: "wall", WHITE: "corridor", RED: "start", GREEN: "goal", BLUE: "solution"}
TOLERANCE = 40
"""How far a pixel may be from a pure colour, of 255."""
BESIDES = "give a folder of pictures as --task.folder, or neither for generated mazes"


def read_picture(path: Path, painted: bool = False) -> Grids:
    """One maze from a picture file; `painted` as for `parse`.

    Raises:
        DataError: if it is not a picture, or not one of a maze; the message names the file.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # Pillow raises many kinds for broken files
        raise DataError(f"{path}: not a picture that can be read ({error})") from None
    return parse(pixels, str(path), painted)


def parse(pixels: np.ndarray, name: str, painted: bool = False) -> Grids:
    """One maze, and the route through it, from the pixels of a picture.

    Args:
        pixels: (S, S, 3) bytes: black walls, white corridors, one red start, one green goal. If there are blue pixels,
            the route follows them; they count as corridors.
        name: what to call the picture in an error.
        painted: refuse a picture without a blue route, for which a shortest one would be found otherwise.

    Raises:
        DataError: if it is something else.
    """
    height, width = pixels.shape[:2]
    if height != width or height % 2 == 0 or not 5 <= height <= 255:
        raise DataError(f"{name}: {width} x {height} pixels: expected a square of an odd size from 5 to 255")
    bright = pixels > 127  # (S, S, 3)
    colour = bright @ np.array([RED, GREEN, BLUE])  # (S, S)
    impure = (np.abs(pixels - 255.0 * bright) > TOLERANCE).any(-1)
    wrong = np.argwhere(impure | ~np.isin(colour, list(COLOURS)))
    if len(wrong):
        row, column = wrong[0]
        raise DataError(
            f"{name}: colour {tuple(map(int, pixels[row, column]))} in row {row}, column {column}: expected black, "
            "white, and pure red (the start), green (the goal) and blue (the solution)"
        )
    start, goal = (_only(colour == end, COLOURS[end], name) for end in (RED, GREEN))
    painted = painted or bool((colour == BLUE).any())
    way = np.isin(colour, [RED, GREEN, BLUE]) if painted else colour != BLACK
    route = shortest_route(torch.from_numpy(way), start, goal)
    if route is None:
        lacking = "the blue pixels do not lead" if painted else "no way leads"
        raise DataError(f"{name}: {lacking} from the red start to the green goal")
    opened = torch.from_numpy(colour != BLACK)
    return Grids(
        *(part.unsqueeze(0) for part in (opened, torch.tensor(start), torch.tensor(goal), torch.tensor(route)))
    )


def _only(marked: np.ndarray, what: str, name: str) -> tuple[int, int]:
    places = np.argwhere(marked)
    if len(places) != 1:
        colour = {"start": "red", "goal": "green"}[what]
        raise DataError(f"{name}: {len(places)} {colour} pixels: expected one, the {what}")
    row, column = places[0]
    return int(row), int(column)


def read_folder(folder: str | Path, size: int) -> dict[Split, Store]:
    """The mazes of a folder with `train` and `test` in it, PNG pictures anywhere below these, sorted by path.

    Raises:
        DataError: if a folder is missing or empty, or a picture is not a maze of this size with its solution in blue.
    """
    found: dict[Split, Store] = {}
    for split in ("train", "test"):
        paths = sorted((Path(folder) / split).rglob("*.png"))
        if not paths:
            raise DataError(f"{Path(folder) / split}: no PNG pictures of mazes in it, such as 0/maze.png")
        with workers(len(paths) // 500) as spread:
            found[split] = Store.join(list(spread(partial(_file, size), paths)))
    return found


def read_hub(name: str, size: int) -> dict[Split, Store]:
    """The mazes of a data set on the Hugging Face hub. Only its column `image` is used: the solution is in there, too.

    Raises:
        DataError: if the data set cannot be had, or a picture is not a maze of this size with its solution in blue.
    """
    splits = fetch(name, BESIDES)
    return {
        split: Store.join(list(_images(splits[split]["image"], f"{name}, {split}", size)))
        for split in ("train", "test")
    }


def _images(images: Iterable, name: str, size: int) -> Iterable[Store]:
    for row, image in enumerate(images):
        where = f"{name}, row {row}"
        yield _sized(parse(np.asarray(image.convert("RGB")), where, painted=True), where, size)


def _file(size: int, path: Path) -> Store:
    return _sized(read_picture(path, painted=True), str(path), size)


def _sized(grids: Grids, name: str, size: int) -> Store:
    has = grids.open.shape[-1]
    if has != size:
        raise DataError(f"{name}: a maze of {has} x {has}: expected {size} x {size}; give its size as --task.size")
    return Store.pack(grids)
