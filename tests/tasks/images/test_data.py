import itertools
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm import DataError
from ctm.tasks.images.data import find, holdout, some, split
from tasks.images.made import array_pictures, folder_of

NONE = {"train": None, "validation": None, "test": None}


def splits(found, shares=(0.25, 0.5), seed=0, **names):
    return split("some data", found, {**NONE, **names}, shares, seed)


@given(count=st.integers(5, 40), share=st.floats(0.2, 0.8), seed=st.integers(0, 3))
def test_holdout_splits_into_two_disjoint_parts(count, share, seed):
    places = 100 + torch.arange(count)
    kept, held = holdout(places, share, seed)
    assert len(held) == round(share * count)
    assert sorted(kept.tolist() + held.tolist()) == places.tolist()


@pytest.mark.parametrize(("share", "held"), [(0.99, 10), (0.01, 0)])
def test_holdout_leaves_something_on_both_sides(share, held):
    with pytest.raises(DataError, match=f"share of {share} of 10 samples: {held} held out, {10 - held} left; expected"):
        holdout(torch.arange(10), share, 0)


def test_holdout_is_decided_by_the_seed():
    first, again, other = (holdout(torch.arange(100), 0.3, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_some_are_the_same_ones_every_time():
    pictures = array_pictures(50)
    first = some(pictures, 7).tolist()
    assert first == some(pictures, 7).tolist() != list(range(7))
    assert len(set(first)) == 7
    assert sorted(some(pictures, 99).tolist()) == list(range(50))


def test_what_is_missing_is_held_out_of_the_training_pictures():
    found = splits({"train": array_pictures(40)})
    parts = [part.indices.tolist() for part in found]
    assert [len(part) for part in parts] == [15, 5, 20]
    assert sorted(itertools.chain(*parts)) == list(range(40))
    for part in found:
        assert part.labels.tolist() == [index % 3 for index in part.indices.tolist()]
        assert part.open(0).getpixel((0, 0)) == part.indices[0]
        assert part.name(0) == f"made: picture {part.indices[0]}"


def test_splits_that_are_there_are_taken():
    train, validation, test = (array_pictures(count) for count in (20, 6, 9))
    found = splits({"train": train, "val": validation, "test": test})
    assert [len(part) for part in found] == [20, 6, 9]
    assert (found.validation, found.test) == (validation, test)
    found = splits({"training": train, "dev": validation})
    assert [len(part) for part in found] == [10, 6, 10]
    found = splits({"train": train, "test": test})
    assert [len(part) for part in found] == [15, 5, 9]


def test_a_single_split_is_that_to_train_on_whatever_it_is_called():
    assert [len(part) for part in splits({"everything": array_pictures(40)})] == [15, 5, 20]


def test_splits_can_be_named():
    first, second = array_pictures(20), array_pictures(8)
    found = splits({"first": first, "test": second, "other": array_pictures(4)}, train="first", validation="other")
    assert [len(part) for part in found] == [20, 4, 8]
    found = splits({"train": first, "validation": second}, test="validation")
    assert [len(part) for part in found] == [15, 5, 8]
    assert found.test is second
    found = splits({"train": first, "test": second}, validation="test")
    assert [len(part) for part in found] == [10, 8, 10]


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(DataError, match=r"^some data: no split 'dev2' \(task\.validation_split\), but train, test$"):
        splits({"train": array_pictures(4), "test": array_pictures(4)}, validation="dev2")
    with pytest.raises(DataError, match=r"^some data: no split 'train', but a, b: name it as --task\.train-split$"):
        splits({"a": array_pictures(4), "b": array_pictures(4)})


def test_there_is_something_to_tell_apart():
    with pytest.raises(DataError, match="all pictures to train on are of one class, a; expected two or more"):
        splits({"train": array_pictures(4, classes=1)})


@pytest.mark.parametrize("empty", ["train", "test"])
def test_no_split_is_empty(empty):
    with pytest.raises(DataError, match=f"^some data: no pictures in the split '{empty}'$"):
        splits({"train": array_pictures(4), "test": array_pictures(4), empty: array_pictures(0)})


def test_labels_of_another_split_are_told_by_their_names():
    train, test = array_pictures(9), array_pictures(6, classes=2)
    test.classes = ("c", "a")
    found = splits({"train": train, "test": test})
    assert found.test.classes == train.classes
    assert found.test.labels.tolist() == [2, 0, 2, 0, 2, 0]
    test.classes = ("a", "x", "b")
    with pytest.raises(DataError, match="some data: class 'x': no picture to train on is of it"):
        splits({"train": train, "test": test})


def test_the_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    (pictures,) = find("digits").values()
    stored, labels = load_digits(return_X_y=True)
    assert pictures.pixels.reshape(-1, 64).tolist() == [[round(pixel * 255 / 16) for pixel in row] for row in stored]
    assert pictures.labels.tolist() == labels.tolist()
    assert pictures.classes == tuple("0123456789")


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"^the digits come with scikit-learn: .*\[data\]'$"):
        find("digits")


@pytest.mark.parametrize("name", ["nowhere", "/no/where", "./no/where", "~/no where/at all", "no/where/at/all"])
def test_what_is_no_name_on_the_hub_is_a_folder(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r": no such folder, nor a name on the Hugging Face hub, which is OWNER/NAME$"):
        find(name)


def test_a_name_on_the_hub_without_the_library_or_a_network(monkeypatch):
    with pytest.raises(DataError, match=r"^some-one/pictures: no such folder here, and not to be had from the hub \("):
        find("some-one/pictures")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        DataError, match=r"pip install 'continuous-thought-machines\[hub\]'; or give a folder with"
    ) as e:
        find("some-one/pictures")
    assert "\n" not in str(e.value)


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "pictures.zip"
    path.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"pictures\.zip: a file; expected a folder with a subfolder of pictures"):
        find(str(path))


def test_the_home_folder_may_be_meant(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder_of(tmp_path / "mine", {"a": 1, "b": 2})
    assert find("~/mine")["train"].labels.tolist() == [0, 1, 1]
