import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ctm import DataError
from ctm.tasks.mazes import Mazes
from ctm.tasks.mazes.grid import WAIT, walk
from ctm.tasks.mazes.published import parse, read_folder, read_picture
from ctm.tasks.mazes.store import Store
from tasks.mazes.drawn import painted, some

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def first(colour, pixels):
    return tuple(np.argwhere((pixels == colour).all(-1))[0])


@given(seed=st.integers(0, 999), size=st.sampled_from([5, 9, 15]), solved=st.booleans())
def test_a_picture_gives_back_the_maze_and_its_route(seed, size, solved):
    grids = some(1, size, seed)
    found = parse(painted(grids, solved=solved), "it", painted=solved)
    assert all(torch.equal(*parts) for parts in zip(found, grids, strict=True))


def test_nearly_pure_colours_will_do():
    grids = some(1)
    pixels = np.abs(painted(grids).astype(int) - 30).astype(np.uint8)
    assert torch.equal(parse(pixels, "it").moves, grids.moves)


def test_the_blue_route_is_followed_where_there_is_a_shorter_one():
    pixels = np.zeros((7, 7, 3), np.uint8)
    pixels[1:6, 1:6] = WHITE
    pixels[1, 1], pixels[1, 3] = RED, GREEN
    assert parse(pixels, "it").moves.shape == (1, 2)
    for place in ((2, 1), (3, 1), (3, 2), (3, 3), (2, 3)):
        pixels[place] = BLUE
    found = parse(pixels, "it")
    assert found.moves.shape == (1, 6)
    assert torch.equal(walk(found.open, found.start, found.moves).end, found.goal)


def broken(kind):
    """A picture of a maze with something wrong, and what the error says."""
    pixels = painted(some(1), solved=False)
    if kind == "even":
        return pixels[:-1, :-1], "8 x 8 pixels: expected a square of an odd size"
    if kind == "oblong":
        return pixels[:, :-2], "7 x 9 pixels: expected a square"
    if kind == "tiny":
        return pixels[:3, :3], "3 x 3 pixels: expected a square of an odd size from 5"
    if kind == "no start":
        pixels[first(RED, pixels)] = WHITE
        return pixels, "0 red pixels: expected one, the start"
    if kind == "two starts":
        pixels[first(WHITE, pixels)] = RED
        return pixels, "2 red pixels: expected one, the start"
    if kind == "no goal":
        pixels[first(GREEN, pixels)] = WHITE
        return pixels, "0 green pixels: expected one, the goal"
    if kind == "yellow":
        pixels[2, 3] = (255, 255, 0)
        return pixels, r"colour \(255, 255, 0\) in row 2, column 3: expected black, white, and pure red"
    if kind == "grey":
        pixels[4, 1] = (90, 90, 90)
        return pixels, r"colour \(90, 90, 90\) in row 4, column 1: expected black"
    if kind == "walled in":
        row, column = first(GREEN, pixels)
        for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            pixels[row + down, column + right] = BLACK if kind == "walled in" else WHITE
        return pixels, "no way leads from the red start to the green goal"
    pixels = painted(some(1, seed=1))
    pixels[first(BLUE, pixels)] = WHITE
    return pixels, "the blue pixels do not lead from the red start to the green goal"


KINDS = ["even", "oblong", "tiny", "no start", "two starts", "no goal", "yellow", "grey", "walled in", "torn route"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_maze_is_refused_by_name(kind, tmp_path):
    pixels, message = broken(kind)
    Image.fromarray(pixels).save(tmp_path / "maze.png")
    with pytest.raises(DataError, match=rf"maze\.png: {message}"):
        read_picture(tmp_path / "maze.png")


def test_files_that_are_no_pictures(tmp_path):
    with pytest.raises(DataError, match=r"none\.png: no such file"):
        read_picture(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("maze")
    with pytest.raises(DataError, match=r"text\.png: not a picture that can be read"):
        read_picture(tmp_path / "text.png")


def written(folder, grids, split, solved=True):
    (folder / split / "0").mkdir(parents=True)
    for index in range(len(grids.open)):
        Image.fromarray(painted(grids, index, solved)).save(folder / split / "0" / f"{index:03}.png")


def test_a_folder_of_pictures(tmp_path):
    train, test = some(5, 9, 0), some(3, 9, 1)
    written(tmp_path, train, "train")
    written(tmp_path, test, "test")
    task = Mazes.Config(size=9, route_length=30, folder=str(tmp_path), augment=False).build()
    batch = next(task.evaluation("test", 10))
    assert batch.inputs.shape == (3, 3, 9, 9)
    assert not (batch.inputs[:, 2] > batch.inputs[:, 0]).any()  # nothing is blue any more
    assert torch.equal(batch.targets[:, : test.moves.shape[1]], test.moves)
    assert (batch.targets[:, test.moves.shape[1] :] == WAIT).all()
    assert {split: len(store) for split, store in task.stores.items()} == {"train": 4, "validation": 1, "test": 3}


def test_folders_that_are_no_data_set(tmp_path):
    with pytest.raises(DataError, match="train: no PNG pictures of mazes in it"):
        read_folder(tmp_path, 9)
    written(tmp_path, some(2, 9), "train")
    with pytest.raises(DataError, match="test: no PNG pictures of mazes in it"):
        read_folder(tmp_path, 9)
    written(tmp_path, some(2, 9), "test", solved=False)
    with pytest.raises(DataError, match=r"000\.png: the blue pixels do not lead"):
        read_folder(tmp_path, 9)
    with pytest.raises(DataError, match=r"000\.png: a maze of 9 x 9: expected 15 x 15; give its size as --task.size"):
        read_folder(tmp_path, 15)


def test_too_few_mazes_to_hold_some_out(tmp_path):
    written(tmp_path, some(1, 9, 0), "train")
    written(tmp_path, some(1, 9, 1), "test")
    with pytest.raises(DataError, match="1 training mazes: expected at least 2"):
        Mazes.Config(size=9, folder=str(tmp_path)).build()


def single(store):
    return [store.take(slice(index, index + 1)) for index in range(len(store))]


class Hub:
    """Stands for the library of the Hugging Face hub."""

    def load_dataset(self, name):
        train, test = some(3, 9, 0), some(2, 9, 1)
        if name == "some/torn":
            test.moves[1] = 0
        return {
            split: {
                "image": [Image.fromarray(painted(grids, index)) for index in range(len(grids.open))],
                "solution_path": [[]] * len(grids.open),
            }
            for split, grids in (("train", train), ("test", test))
        }


def test_a_data_set_on_the_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", Hub())
    task = Mazes.Config(size=9, route_length=30, dataset="some/mazes").build()
    learned = {maze.open.tobytes() for split in ("train", "validation") for maze in single(task.stores[split])}
    assert learned == {maze.open.tobytes() for maze in single(Store.pack(some(3, 9, 0)))}
    assert torch.equal(task.stores["test"].grids().moves, some(2, 9, 1).moves)
    with pytest.raises(DataError, match="some/torn, test, row 1: the blue pixels do not lead"):
        Mazes.Config(size=9, dataset="some/torn").build()
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"'continuous-thought-machines\[hub\]'; or give a folder of pictures"):
        Mazes.Config(size=9, dataset="some/mazes").build()
