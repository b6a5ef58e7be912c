import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm import DataError
from ctm.tasks.mazes.store import Store
from tasks.mazes.drawn import some


def same(first, second):
    return all(torch.equal(*parts) for parts in zip(first, second, strict=True))


@given(count=st.integers(1, 7), size=st.sampled_from([5, 9, 15, 39]), seed=st.integers(0, 99))
def test_packing_loses_nothing(count, size, seed):
    grids = some(count, size, seed)
    store = Store.pack(grids)
    assert len(store) == count
    assert same(store.grids(), grids)
    order = torch.randperm(count).numpy()
    assert same(store.grids(order), grids.take(torch.from_numpy(order)))
    assert same(store.grids(slice(1, None)), grids.take(slice(1, None)))


def test_a_maze_takes_little_memory():
    store = Store.pack(some(100, 39))
    assert sum(part.nbytes for part in store.arrays.values()) < 100 * 1000


def test_stores_with_routes_of_different_lengths_join():
    first, second = some(2, 9, 0), some(3, 9, 1)
    long = first._replace(moves=first.moves.repeat(1, 2))
    joined = Store.join([Store.pack(long), Store.pack(second)])
    assert len(joined) == 5
    assert torch.equal(joined.grids().moves[:2], long.moves)
    assert torch.equal(joined.grids().lengths[2:], second.lengths)
    assert torch.equal(joined.grids().open[2:], second.open)


def test_what_is_saved_is_loaded_and_stays_on_disk(tmp_path):
    store = Store.pack(some(20, 15))
    store.save(tmp_path / "new" / "mazes.safetensors")
    loaded = Store.load(tmp_path / "new" / "mazes.safetensors")
    assert loaded.size == 15
    assert all(np.array_equal(loaded.arrays[name], part) for name, part in store.arrays.items())
    assert not any(part.flags.owndata for part in loaded.arrays.values())


def test_any_damage_is_noticed(tmp_path):
    path = tmp_path / "mazes.safetensors"
    Store.pack(some(3, 9)).save(path)
    whole = path.read_bytes()
    lengths = (0, 1, 8, 100, len(whole) // 2, len(whole) - 1)
    header = 8 + int.from_bytes(whole[:8], "little")
    flips = (0, 20, header - 2, header, header + 9, len(whole) - 1)
    pieces = [whole[:length] for length in lengths]
    pieces += [whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :] for at in flips]
    for piece in [*pieces, whole + b"x"]:
        path.write_bytes(piece)
        with pytest.raises(DataError, match=r"mazes\.safetensors: .*; remove it, and it will be made again$"):
            Store.load(path)


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "mazes.safetensors"
    old, new = Store.pack(some(3, 9, 0)), Store.pack(some(3, 9, 1))
    old.save(path)

    def interrupted(*_):
        raise KeyboardInterrupt

    for step in ("safetensors.numpy.save_file", "os.replace"):
        with monkeypatch.context() as patch:
            patch.setattr(step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                new.save(path)
        assert [found.name for found in tmp_path.iterdir()] == ["mazes.safetensors"]
        assert same(Store.load(path).grids(), old.grids())
    for first, second in itertools.pairwise([old, new]):
        second.save(path)
        assert not same(Store.load(path).grids(), first.grids())
