import logging
import multiprocessing
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from ctm import DataError
from ctm.tasks.images import ResizedCrop
from ctm.tasks.images.decoding import Frame
from ctm.tasks.images.pictures import SomePictures
from ctm.tasks.images.reading import MOST_BROKEN, EvaluationPictures, Reader
from tasks.images.made import Files, array_pictures, encoded, folder_of, noise

FRAME = Frame(8, 8, 8, 1)
GOOD = [encoded(noise(8, 8, "L", seed)) for seed in range(6)]
ALL = torch.arange(6)


def reader(files, **options):
    return Reader(Files(files), FRAME, **options)


def broken_at(*places, by=b""):
    return [by if place in places else file for place, file in enumerate(GOOD)]


@pytest.mark.parametrize("keep", [False, True])
def test_pictures_and_labels_in_the_order_asked_for(keep):
    found = Reader(array_pictures(6), FRAME, keep)
    for order in ([3, 1, 1, 5], [5, 0], [3, 1, 1, 5]):
        pixels, labels = found.read(torch.tensor(order))
        assert pixels.shape == (len(order), 1, 8, 8)
        assert pixels[:, 0, 0, 0].tolist() == order
        assert labels.tolist() == [number % 3 for number in order]


def test_what_is_kept_is_not_opened_again(monkeypatch):
    pictures = array_pictures(6)
    once, again = Reader(pictures, FRAME, keep=True), Reader(pictures, FRAME)
    first = once.read(ALL)[0].clone()
    again.read(ALL)
    monkeypatch.setattr(pictures, "open", None)
    assert torch.equal(once.read(ALL)[0], first)
    with pytest.raises(DataError):
        again.read(ALL)


def test_what_was_given_may_be_changed_without_harm_to_what_is_kept():
    found = Reader(array_pictures(6), FRAME, keep=True)
    for _ in range(2):
        pixels, _ = found.read(ALL)
        assert pixels[:, 0, 0, 0].tolist() == list(range(6))
        pixels.fill_(99)


JUNK = {
    "empty": b"",
    "text": b"hello",
    "cut": GOOD[0][: len(GOOD[0]) // 2],
    "head": GOOD[0][:20],
    "float": encoded(Image.new("F", (8, 8), 0.5), "TIFF"),
}


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_the_next_picture_takes_the_place_of_a_broken_one(junk, keep, caplog):
    found, good = reader(broken_at(1, 2, 5, by=junk), keep=keep), reader(GOOD)
    for _ in range(2):
        pixels, labels = found.read(ALL)
        assert torch.equal(pixels, good.read(torch.tensor([0, 3, 3, 3, 4, 0]))[0])
        assert labels.tolist() == [0, 1, 1, 1, 0, 0]
    assert found.broken == 3
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 3  # once each
    assert said[0].startswith("file 1: not a picture that can be read (")
    assert said[2].startswith("file 5: ")
    assert said[2].endswith("; the next one takes its place (3 so far)")


def test_a_broken_picture_is_replaced_by_one_of_its_split():
    files = Files(broken_at(1, 3))
    train, test = (Reader(SomePictures(files, torch.tensor(places)), FRAME) for places in ([0, 1, 4], [2, 3, 5]))
    good = reader(GOOD)
    assert torch.equal(train.read(torch.arange(3))[0], good.read(torch.tensor([0, 4, 4]))[0])
    assert torch.equal(test.read(torch.arange(3))[0], good.read(torch.tensor([2, 5, 5]))[0])


def test_a_broken_picture_can_stop_a_run():
    found = reader(broken_at(2), replace=False)
    found.read(torch.tensor([0, 1, 3]))
    with pytest.raises(DataError, match=r"^file 2: not a picture that can be read \(.*\)$"):
        found.read(ALL)


def test_too_many_broken_pictures_are_no_data():
    with pytest.raises(DataError, match=r"^file 2: not a picture .*; nor can any of the 5 after it$"):
        reader([b""] * 6).read(torch.tensor([2]))
    many = Files([b""] * (MOST_BROKEN + 1) + GOOD)
    with pytest.raises(DataError, match=rf"^file 0: .*; nor can any of the {MOST_BROKEN - 1} after it$"):
        Reader(many, FRAME).read(torch.tensor([0]))
    Reader(many, FRAME).read(torch.tensor([2]))


def test_a_missing_file_is_broken(tmp_path):
    from ctm.tasks.images.folder import read_folder

    pictures = read_folder(folder_of(tmp_path, {"a": 2, "b": 2}))["train"]
    (tmp_path / "a" / "1.png").unlink()
    found = Reader(pictures, FRAME)
    assert found.read(torch.arange(4))[1].tolist() == [0, 1, 1, 1]
    with pytest.raises(DataError, match=r"1\.png: not a picture that can be read \(.*No such file"):
        found.decoded(2)


def test_a_picture_too_huge_to_be_decoded_is_broken(monkeypatch):
    found = reader([encoded(noise(30, 30, "L")), GOOD[1]])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert found.read(torch.tensor([0]))[1].tolist() == [1]
    assert found.broken == 1


def test_files_are_closed_whatever_is_in_them(tmp_path):
    """Also where Pillow would keep them open for the next frame, or fails: a warning is an error in tests."""
    from ctm.tasks.images.folder import FilePictures

    frames = [noise(8, 8, seed=seed) for seed in range(2)]
    frames[0].save(tmp_path / "0.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "1.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "2.png").write_bytes(GOOD[0][:-30])
    pictures = FilePictures(sorted(tmp_path.iterdir()), [0, 1, 1], ("a", "b"))
    Reader(pictures, FRAME).read(torch.arange(3))


def read_in_a_process(found, order):
    found.read(order)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_what_a_forked_process_has_read_is_kept_for_all():
    found = reader(broken_at(2), keep=True)
    process = multiprocessing.get_context("fork").Process(target=read_in_a_process, args=(found, ALL))
    process.start()
    process.join()
    found.pictures.files[:] = [b""] * 6
    assert found.broken == 1
    order = torch.tensor([0, 1, 3, 4, 5])
    assert torch.equal(found.read(order)[0], reader(GOOD).read(order)[0])


def test_what_is_kept_is_not_sent_to_a_new_process():
    """Tensors made only to be sent would be gone before a spawned process has them."""
    found = Reader(Files(GOOD), Frame(1000, 1000, 1000, 1), keep=True)
    assert len(pickle.dumps(found)) < 10_000


def test_a_reader_survives_being_sent_to_a_new_process():
    found = reader(broken_at(2), keep=True)
    expected = found.read(ALL)
    sent = pickle.loads(pickle.dumps(found))
    assert sent.broken == 0
    for given, again in zip(expected, sent.read(ALL), strict=True):
        assert torch.equal(given, again)


@pytest.mark.parametrize("channels", [1, 3])
def test_parts_of_pictures_of_many_sizes_are_those_that_pillow_resizes(channels):
    sizes = [(30, 20), (12, 40), (7, 9), (64, 64), (1, 50)]
    pictures = [noise(*size, seed=seed) for seed, size in enumerate(sizes)]
    found = Reader(Files([encoded(picture) for picture in pictures]), Frame(10, 10, 10, channels))
    crop = ResizedCrop(10)
    draws = crop.draw(5, torch.Generator().manual_seed(1))
    pixels, _ = found.read(torch.arange(5), crop, draws)
    for picture, draw, seen in zip(pictures, draws, pixels, strict=True):
        box = crop.boxes(draw[None], torch.tensor([[picture.height, picture.width]]))[0]
        top, left, height, width = box.tolist()
        picture = picture.convert("L" if channels == 1 else "RGB")
        part = picture.resize((10, 10), Image.Resampling.BILINEAR, (left, top, left + width, top + height))
        expected = torch.from_numpy(np.array(part)).reshape(10, 10, channels).permute(2, 0, 1)
        assert torch.equal(seen, expected)
    for start in range(5):  # whatever it stands beside
        assert torch.equal(found.read(torch.arange(start, 5), crop, draws[start:])[0], pixels[start:])


def test_evaluation_batches_are_read_when_they_are_asked_for():
    found = Reader(array_pictures(7), FRAME)
    batches = EvaluationPictures(found, torch.tensor([6, 0, 2, 3, 1]), 2, lambda pixels, labels: (pixels, labels))
    assert len(batches) == 3
    assert batches[1][0][:, 0, 0, 0].tolist() == [2, 3]
    assert [labels.tolist() for _, labels in batches] == [[0, 0], [2, 0], [1]]
