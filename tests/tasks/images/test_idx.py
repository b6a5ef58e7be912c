import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm import DataError
from ctm.tasks.images.data import find
from ctm.tasks.images.idx import STEMS, read_idx, read_mnist
from ctm.tasks.images.known import MNIST
from ctm.testing import check_task


def idx(array):
    """An array of bytes as an IDX file."""
    array = np.asarray(array, np.uint8)
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def written(folder, zipped=(), counts=(7, 3)):
    """A folder of four small files; returns what is in them."""
    arrays = {}
    source = np.random.default_rng(0)
    for (pictures, labels), count in zip(STEMS, counts, strict=True):
        arrays[pictures] = source.integers(0, 256, (count, 28, 28))
        arrays[labels] = source.integers(0, 10, count)
    for stem, array in arrays.items():
        if stem in zipped:
            (folder / f"{stem}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / stem).write_bytes(idx(array))
    return arrays


@pytest.mark.parametrize("zipped", [(), tuple(stem for pair in STEMS for stem in pair), ("train-images-idx3-ubyte",)])
def test_plain_and_zipped_files_are_read(tmp_path, zipped):
    arrays = written(tmp_path, zipped)
    found = find(str(tmp_path))
    assert list(found) == ["train", "test"]
    for pictures, (stem, label_stem) in zip(found.values(), STEMS, strict=True):
        assert np.array_equal(np.stack([np.asarray(pictures.open(i)) for i in range(len(pictures))]), arrays[stem])
        assert np.array_equal(pictures.labels.numpy(), arrays[label_stem])
        assert (pictures.pixels.dtype, pictures.labels.dtype) == (np.uint8, torch.int64)
        assert pictures.classes == tuple("0123456789")


@given(data=st.data(), zipped=st.booleans(), dimensions=st.integers(1, 3))
def test_any_array_survives(data, zipped, dimensions):
    shape = data.draw(st.lists(st.integers(0, 5), min_size=dimensions, max_size=dimensions))
    size = int(np.prod(shape))
    array = np.frombuffer(data.draw(st.binary(min_size=size, max_size=size)), np.uint8).reshape(shape)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ("x.gz" if zipped else "x")).write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
        read = read_idx(folder, "x", dimensions)
    assert read.shape == array.shape
    assert np.array_equal(read.numpy(), array)


@given(data=st.data(), zipped=st.booleans())
def test_damage_is_noticed(data, zipped):
    """Cut anywhere, with anything appended, or with any byte of the header changed."""
    content = idx(np.arange(24).reshape(2, 3, 4))
    damage = data.draw(st.sampled_from(["cut", "longer", "header"]))
    if damage == "cut":
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    elif damage == "longer":
        content += data.draw(st.binary(min_size=1, max_size=9))
    else:
        at = data.draw(st.integers(0, 15))
        content = content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / ("x.gz" if zipped else "x")).write_bytes(gzip.compress(content) if zipped else content)
        with pytest.raises(DataError, match="not an IDX file of 3-dimensional bytes, or cut short"):
            read_idx(Path(name), "x", 3)


def test_broken_archives_are_noticed(tmp_path):
    whole = gzip.compress(idx(np.arange(240).reshape(4, 6, 10)))
    pieces = [whole[:length] for length in range(len(whole))]
    pieces += [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(10, len(whole))]
    for piece in pieces:
        (tmp_path / "x.gz").write_bytes(piece)
        with pytest.raises(DataError) as caught:
            read_idx(tmp_path, "x", 3)
        assert str(tmp_path / "x.gz") in str(caught.value)


@pytest.mark.parametrize("stem", [stem for pair in STEMS for stem in pair])
def test_a_missing_file_is_named(tmp_path, stem):
    written(tmp_path)
    (tmp_path / stem).unlink()
    with pytest.raises(DataError, match=rf"no {stem} or {stem}\.gz; expected the four files of MNIST there"):
        find(str(tmp_path))


def test_labels_in_place_of_pictures_are_noticed(tmp_path):
    written(tmp_path)
    (tmp_path / STEMS[0][0]).write_bytes((tmp_path / STEMS[0][1]).read_bytes())
    with pytest.raises(DataError, match=f"{STEMS[0][0]}: not an IDX file of 3-dimensional bytes"):
        read_mnist(tmp_path)


def test_as_many_labels_as_pictures(tmp_path):
    written(tmp_path)
    (tmp_path / STEMS[1][1]).write_bytes(idx([1, 2]))
    with pytest.raises(DataError, match=f"{STEMS[1][0]}: 3 pictures, but 2 labels"):
        read_mnist(tmp_path)


def test_a_label_that_is_no_digit_is_noticed(tmp_path):
    written(tmp_path)
    (tmp_path / STEMS[1][1]).write_bytes(idx([1, 10, 2]))
    with pytest.raises(DataError, match=f"{STEMS[1][1]}: label 10 at 1: expected 0 to 9$"):
        read_mnist(tmp_path)


def test_the_task_normalises_the_pixels(tmp_path):
    arrays = written(tmp_path)
    task = MNIST.replace(data=str(tmp_path), validation_share=0.4).build()
    sample = task.sample(1)
    assert sample.inputs.shape == (1, 1, 28, 28)
    expected = (torch.from_numpy(arrays[STEMS[1][0]][1]) / 255 - 0.1307) / 0.3081
    torch.testing.assert_close(sample.inputs[0, 0], expected.float())
    assert sample.targets.tolist() == [arrays[STEMS[1][1]][1]]
    assert task.batch(0, 0, 5).inputs.shape == (5, 1, 28, 28)


def test_the_real_thing(data):
    """The published sizes, and the mean and deviation that everyone normalises by."""
    found = read_mnist(data / "mnist")
    train, test = found["train"], found["test"]
    assert train.pixels.shape == (60_000, 28, 28)
    assert test.pixels.shape == (10_000, 28, 28)
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    brightness = torch.from_numpy(train.pixels).float() / 255
    assert (round(brightness.mean().item(), 4),) == MNIST.mean == (0.1307,)
    assert (round(brightness.std().item(), 4),) == MNIST.deviation == (0.3081,)


def test_real_batches(data):
    task = MNIST.replace(data=str(data / "mnist")).build()
    batch = task.batch(0, 0, 256)
    assert batch.inputs.mean().abs() < 0.05
    assert (batch.inputs.std() - 1).abs() < 0.05
    assert batch.targets.unique().tolist() == list(range(10))
    assert sum(len(part.inputs) for part in task.evaluation("train", 1000)) == 2000


def test_training_and_evaluation_can_use_it(tmp_path):
    written(tmp_path, counts=(60, 20))
    check_task(MNIST.replace(data=str(tmp_path)))
