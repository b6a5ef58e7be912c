import itertools

import numpy as np
import pytest

from ctm import DataError
from ctm.tasks.mazes import generated as module
from ctm.tasks.mazes.generated import default_cache, generated
from ctm.tasks.mazes.symmetry import fingerprints

SPLITS = ("train", "validation", "test")


def counts(train, test):
    return {"train": train, "validation": test, "test": test}


def equal(first, second):
    return all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)


def test_as_many_as_asked_for(tmp_path):
    sets = generated(9, counts(700, 60), seed=0, cache=tmp_path)
    assert {split: len(store) for split, store in sets.items()} == counts(700, 60)
    assert sets["train"].size == 9


def test_nothing_depends_on_the_number_of_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 50)
    alone, together = (generated(9, counts(300, 60), 0, tmp_path / str(count), processes=count) for count in (1, 3))
    assert all(equal(alone[split], together[split]) for split in SPLITS)


def test_no_maze_is_in_two_splits_in_whatever_orientation(tmp_path):
    sets = generated(7, counts(2000, 300), seed=0, cache=tmp_path, processes=1)
    prints = {split: fingerprints(sets[split].grids()) for split in SPLITS}
    for first, second in itertools.combinations(SPLITS, 2):
        assert not np.isin(prints[first], prints[second]).any(), (first, second)


def test_too_small_mazes_cannot_be_kept_apart(tmp_path):
    with pytest.raises(DataError, match=r"^too few different mazes of 5 x 5: .* ask for larger mazes"):
        generated(5, counts(100, 100), seed=0, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_they_are_made_once(tmp_path, monkeypatch):
    first = generated(9, counts(60, 20), seed=0, cache=tmp_path)
    other = generated(9, counts(60, 20), seed=1, cache=tmp_path)
    assert not equal(first["train"], other["train"])
    monkeypatch.setattr(module, "draw", None)
    assert equal(generated(9, counts(60, 20), seed=0, cache=tmp_path)["train"], first["train"])


def test_what_an_interruption_left_is_completed(tmp_path):
    first = generated(9, counts(60, 20), seed=0, cache=tmp_path)
    train = next(path for path in tmp_path.iterdir() if path.stem.endswith("train"))
    train.unlink()
    assert equal(generated(9, counts(60, 20), seed=0, cache=tmp_path)["train"], first["train"])


def test_damage_is_an_error_that_names_the_file(tmp_path):
    generated(9, counts(60, 20), seed=0, cache=tmp_path)
    test = next(path for path in tmp_path.iterdir() if path.stem.endswith("test"))
    test.write_bytes(test.read_bytes()[:-3])
    with pytest.raises(DataError, match=f"{test.name}: .* remove it"):
        generated(9, counts(60, 20), seed=0, cache=tmp_path)


def test_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "ctm" / "mazes"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "ctm" / "mazes"
    assert generated(9, counts(60, 20), seed=0)["test"].open.shape[0] == 20
    assert len(list(default_cache().iterdir())) == 3
