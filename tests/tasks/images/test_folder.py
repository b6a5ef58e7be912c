import os
import shutil

import pytest
import torch

from ctm import DataError
from ctm.tasks.images.data import find
from ctm.tasks.images.decoding import Frame
from ctm.tasks.images.folder import SUFFIXES, read_folder
from ctm.tasks.images.reading import Reader
from tasks.images.made import folder_of, noise


def names(pictures):
    return [path.name for path in pictures.files]


def test_each_subfolder_is_a_class(tmp_path):
    folder_of(tmp_path, {"b": 2, "a": 1, "häuser & höfe": 1})
    (pictures,) = find(str(tmp_path)).values()
    assert pictures.classes == ("a", "b", "häuser & höfe")
    assert pictures.labels.tolist() == [0, 1, 2, 1]  # in turn
    assert [pictures.name(place) for place in (2, 3)] == [
        str(tmp_path / "häuser & höfe" / "0.png"),
        str(tmp_path / "b" / "1.png"),
    ]
    with pictures.open(2) as picture:
        assert picture.size == (12, 12)


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (("train", "val", "test"), ["train", "val", "test"]),
        (("test", "Train"), ["train", "test"]),
        (("training", "validation"), ["training", "validation"]),
        (("valid", "train"), ["train", "valid"]),
    ],
)
def test_subfolders_may_be_splits(tmp_path, folders, found):
    for name in folders:
        folder_of(tmp_path / name, {"a": 1, "b": 2})
    splits = read_folder(tmp_path)
    assert list(splits) == found
    assert all(split.labels.tolist() == [0, 1, 1] for split in splits.values())


def test_a_class_may_be_called_test(tmp_path):
    folder_of(tmp_path, {"test": 1, "real": 1})
    assert read_folder(tmp_path)["train"].classes == ("real", "test")


def test_pictures_may_lie_deeper_and_be_links(tmp_path):
    folder_of(tmp_path / "data" / "a", {"2023/may": 1, "2024": 1})
    folder_of(tmp_path / "elsewhere", {"b": 1})
    os.symlink(tmp_path / "elsewhere" / "b", tmp_path / "data" / "b")
    os.symlink(tmp_path / "elsewhere" / "b" / "0.png", tmp_path / "data" / "a" / "link.png")
    (pictures,) = read_folder(tmp_path / "data").values()
    assert sorted(pictures.labels.tolist()) == [0, 0, 0, 1]
    pixels, _ = Reader(pictures, Frame(12, 12, 12, 3), replace=False).read(torch.arange(4))
    assert pixels.shape == (4, 3, 12, 12)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".JPG", ".JPeG"])
def test_suffixes_of_pictures(tmp_path, suffix):
    folder_of(tmp_path, {"a": 1, "b": 1})
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "a" / f"1{suffix}")
    assert names(read_folder(tmp_path)["train"]) == ["0.png", "0.png", f"1{suffix}"]


def test_what_is_no_picture_is_left_out(tmp_path):
    folder_of(tmp_path, {"a": 1, "b": 1, ".thumbnails": 1})
    for name in (".DS_Store", "Thumbs.db", "notes.txt", "._0.png", ".0.png", "0.png.part"):
        (tmp_path / "a" / name).write_text("x")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / ".cover.png").write_text("x")
    (tmp_path / "a" / "deep.png").mkdir()
    (tmp_path / "a" / ".cache").mkdir()
    noise().save(tmp_path / "a" / ".cache" / "0.png")
    os.symlink(tmp_path / "nowhere.png", tmp_path / "a" / "dangling.png")
    pictures = read_folder(tmp_path)["train"]
    assert (pictures.classes, names(pictures)) == (("a", "b"), ["0.png", "0.png"])


def test_a_circle_of_links_ends(tmp_path):
    folder_of(tmp_path, {"a": 1, "b": 1})
    os.symlink(tmp_path, tmp_path / "a" / "again")
    assert read_folder(tmp_path)["train"].labels.tolist() == [0, 1]


def make(path, *, classes=(), **files):
    for name in classes:
        (path / name).mkdir(parents=True)
    for name in files.values():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        noise().save(path / name)


@pytest.mark.parametrize(
    ("files", "classes", "message"),
    [
        ((), (), r": no subfolders; expected one for each class, with its pictures in it$"),
        (("a/0.png",), ("b",), r"/b: no pictures in it; expected \.png, \.jpg, \.jpeg, \.jpe, …$"),
        (("a/0.png", "b/0.png", "0.png"), (), r"/0\.png: a picture outside of a class; move it into a subfolder named"),
        (("0.png", "1.png"), (), r"/0\.png: a picture outside of a class"),
        (
            ("train/a/0.png", "train/b/0.png", "val/c/0.png"),
            (),
            r"/val/c: no class of the pictures to train on, .* a, b",
        ),
        (("train/a/0.png", "train/b/0.png", "test/0.png"), (), r"/test/0\.png: a picture outside of a class"),
        (("train/a/0.png", "train/b/0.png"), ("val",), r"/val: no subfolders; expected one for each class"),
        (("train/0.png",), (), r"/train/0\.png: a picture outside of a class"),
    ],
)
def test_what_is_no_folder_of_pictures_is_refused(tmp_path, files, classes, message):
    make(tmp_path, classes=classes, **{str(place): name for place, name in enumerate(files)})
    with pytest.raises(DataError, match=message) as caught:
        read_folder(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_split_needs_not_have_all_classes(tmp_path):
    folder_of(tmp_path / "train", {"a": 1, "b": 1, "c": 1})
    folder_of(tmp_path / "test", {"c": 2})
    assert read_folder(tmp_path)["test"].labels.tolist() == [2, 2]
