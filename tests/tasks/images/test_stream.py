import io
import itertools
import pickle
import types

import numpy as np
import pytest
import torch
from PIL import Image

import ctm
from ctm import ConfigError, DataError
from ctm.recipes import machine
from ctm.tasks.base import Rows
from ctm.tasks.images import Flip, stream
from ctm.tasks.images.pictures import Unreachable
from ctm.tasks.images.task import Images
from ctm.training import Run, train
from ctm.training.loading import evaluation_batches, training_batches
from training.experiments import parity
from training.processes import everything

datasets = pytest.importorskip("datasets")
CLASSES = datasets.ClassLabel(names=["even", "odd"])


def picture(row):
    """Of 8x8 grey pixels, whose first is the row and the rest noise."""
    pixels = np.random.default_rng(row).integers(0, 255, (8, 8), np.uint8)
    pixels[0, 0] = row
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "png")
    return {"bytes": stored.getvalue(), "path": None}


def write(path, rows, labels=None, feature=CLASSES, pictures=None, group=8):
    """A Parquet file with a picture and a label for each row, in groups of so many."""
    columns = {
        "image": [picture(row) for row in rows] if pictures is None else pictures,
        "label": [row % 2 for row in rows] if labels is None else labels,
    }
    features = datasets.Features({"image": datasets.Image(), "label": feature})
    path.parent.mkdir(exist_ok=True)
    datasets.Dataset.from_dict(columns, features).to_parquet(path, batch_size=group)
    return path


@pytest.fixture(scope="module", autouse=True)
def _no_bars():
    datasets.disable_progress_bars()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """60 pictures in three files."""
    path = tmp_path_factory.mktemp("data")
    for file in range(3):
        write(path / f"train-{file:05}-of-00003.parquet", range(20 * file, 20 * file + 20))
    return path


def config(data, **fields):
    fields = {"streaming": True, "buffer": 16, "mean": (0.0,), "deviation": (1 / 255,), **fields}
    return Images.Config(data=str(data), **fields)


def rows_of(batch):
    """The rows that pictures were made of."""
    return batch.inputs[:, 0, 0, 0].tolist()


def walked(task, seed, size, iterations):
    return [rows_of(task.part(Rows(seed, iteration, size, 0, size))) for iteration in iterations]


def held(task, split):
    return [int(row) for batch in task.evaluation(split, 7) for row in rows_of(batch)]


def test_every_epoch_shows_every_training_picture_once_in_another_order(folder):
    task = config(folder).build()
    count = task.count("train")
    assert count == 43  # 60 less 12 to test on, and of 48 less 5 to validate on
    (first, second), (other, _) = (
        torch.tensor(walked(task, seed, 1, range(2 * count))).flatten().split(count) for seed in (0, 1)
    )
    training = set(range(60)) - set(held(task, "validation")) - set(held(task, "test"))
    for epoch in (first, second, other):
        assert set(epoch.tolist()) == training
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


def test_pictures_come_with_their_labels(folder):
    task = config(folder).build()
    part = task.part(Rows(0, 0, 43, 0, 43))
    assert part.targets.tolist() == [row % 2 for row in rows_of(part)]
    assert len(set(part.targets.tolist())) == 2


def test_going_on_at_any_iteration_shows_what_would_have_come(folder):
    """Six to a batch: an epoch of 43 ends in the midst of one."""
    expected = walked(config(folder).build(), 3, 6, range(20))
    assert len(set(itertools.chain(*expected[:7], expected[7][:1]))) == 43
    for start in (0, 1, 7, 8, 13):
        assert walked(config(folder).build(), 3, 6, range(start, 20)) == expected[start:]
    back = config(folder).build()
    assert [walked(back, 3, 6, [iteration])[0] for iteration in reversed(range(20))] == expected[::-1]


def test_pictures_of_several_groups_are_mixed(folder):
    groups = config(folder, buffer=16).splits().train.groups
    assert groups.counts.tolist() == [8, 8, 4] * 3
    order = groups.order(0, 0)
    assert sorted(order.tolist()) == list(range(60))
    group = torch.searchsorted(groups.counts.cumsum(0), order, right=True)
    assert all(len(set(window.tolist())) >= 2 for window in group[:48].split(16))
    assert (group[1:] != group[:-1]).sum() > 20  # one after another, they would change 8 times


@pytest.mark.parametrize(("group", "buffer"), [(4, 1), (60, 60)])
def test_groups_and_the_rows_that_are_mixed_have_another_order_for_each_seed_and_epoch(tmp_path, group, buffer):
    groups = config(write(tmp_path / "some.parquet", range(60), group=group), buffer=buffer).splits().train.groups
    orders = [groups.order(seed, epoch).tolist() for seed in range(3) for epoch in range(3)]
    assert all(sorted(order) == list(range(60)) for order in orders)
    assert len(set(map(tuple, orders))) == 9


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_any_number_of_workers_and_processes_reads_the_same(folder, workers):
    settings = parity(batch_size=8, iterations=7, workers=workers).training
    expected = walked(config(folder).build(), settings.seed, 8, range(2, 7))
    task = config(folder).build()
    held(task, "validation")  # so that the workers start with what was read here
    assert [rows_of(batch) for batch in training_batches(task, settings, 2)] == expected
    halves = [list(map(rows_of, training_batches(task, settings, 2, rank, 2))) for rank in range(2)]
    assert [one + other for one, other in zip(*halves, strict=True)] == expected
    tested = [row for batch, _ in evaluation_batches(task, "test", 5, workers) for row in rows_of(batch)]
    assert tested == held(task, "test")


def test_a_task_goes_to_another_process_without_what_it_has_read(folder):
    task = config(folder).build()
    before = len(pickle.dumps(task.splits))
    expected = walked(task, 0, 8, range(3))
    copied = pickle.loads(pickle.dumps(task))
    assert len(pickle.dumps(task.splits)) < before + 1000
    assert walked(copied, 0, 8, range(3)) == expected


def counted(monkeypatch, module, name):
    """The first arguments of all calls of a function from now on."""
    calls, function = [], getattr(module, name)

    def count(*arguments, **options):
        calls.append(arguments[0])
        return function(*arguments, **options)

    monkeypatch.setattr(module, name, count)
    return calls


def test_a_group_of_rows_is_read_once_an_epoch_and_only_when_it_is_due(folder, monkeypatch):
    task = config(folder).build()
    assert task.splits
    opened = counted(monkeypatch, stream, "_opened")
    walked(task, 0, 1, range(43))
    assert len(opened) == 9
    opened.clear()
    walked(config(folder, learned=task.learned).build(), 0, 1, [2 * 43 + 20])
    assert len(opened) == 3 + 1 + 1  # footers, the group of the first labels, and that of the picture


def test_only_pictures_of_ones_own_rows_are_decoded(folder, monkeypatch):
    task = config(folder).build()
    decoded = counted(monkeypatch, stream, "open_stored")
    task.part(Rows(0, 5, 8, 2, 5))
    assert len(decoded) == 3


def test_the_same_pictures_are_held_out_as_without_streaming(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    streamed, stored = (config(folder, streaming=streaming).build() for streaming in (True, False))
    for split in ("validation", "test"):
        assert held(streamed, split) == sorted(held(stored, split))
    assert streamed.learned == stored.learned


def test_splits_of_their_own_are_read_in_order(folder, tmp_path):
    write(tmp_path / "train.parquet", range(30))
    write(tmp_path / "validation.parquet", range(40, 60))
    write(tmp_path / "test.parquet", range(70, 90))
    task = config(tmp_path).build()
    assert held(task, "validation") == list(range(40, 60))
    assert held(task, "test") == list(range(70, 90))
    assert sorted(held(task, "train")) == list(range(30))
    assert task.sample(13).targets.tolist() == [1]
    assert task.sample(13).inputs[0, 0, 0, 0].item() == 83


@pytest.mark.parametrize("none", [-1, None])
def test_a_split_without_answers_is_no_split(tmp_path, none):
    write(tmp_path / "train.parquet", range(30))
    write(tmp_path / "test.parquet", range(40, 60), labels=[none] * 20)
    task = config(tmp_path).build()
    assert set(held(task, "test")) < set(range(30))
    (tmp_path / "train.parquet").unlink()
    with pytest.raises(DataError, match=r": no labels in test$"):
        config(tmp_path).splits()


def test_a_file_and_a_name_on_the_hub(folder, tmp_path, monkeypatch):
    file = write(tmp_path / "some.parquet", range(20))
    alone = config(file).build()
    remote = pytest.importorskip("fsspec").filesystem("memory")
    remote.pipe("/hub/train.parquet", file.read_bytes())
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["0", "1"])})
    builder = types.SimpleNamespace(
        name="parquet",
        config=types.SimpleNamespace(data_files={datasets.Split.TRAIN: ["memory://hub/train.parquet"]}),
        info=types.SimpleNamespace(features=features),
    )
    expected = walked(alone, 0, 6, range(5))
    monkeypatch.setattr(datasets, "load_dataset_builder", {"some/name": builder}.get)
    hub = config("some/name").build()
    assert hub.learned.classes == ("0", "1")  # as its card says
    assert walked(hub, 0, 6, range(5)) == expected
    builder.name = "webdataset"
    with pytest.raises(DataError, match=r"^some/name: its files are webdataset, not Parquet; leave --task.streaming"):
        config("some/name").splits()


@pytest.mark.parametrize(
    ("last", "message"),
    [(2, "row 39: label 2: "), (-1, "row 39: no label: "), (None, "row 39: no label: ")],
)
def test_labels_that_are_none(tmp_path, last, message):
    more = datasets.ClassLabel(names=["even", "odd", "neither"])
    write(tmp_path / "train-00000-of-00002.parquet", range(20))
    write(tmp_path / "train-00001-of-00002.parquet", range(20), [*[0] * 19, last], more)
    for split in ("validation", "test"):
        write(tmp_path / f"{split}.parquet", range(20))
    with pytest.raises(DataError, match=rf"train: {message}expected 0 to 1$"):
        walked(config(tmp_path).build(), 0, 40, [0])


def test_splits_of_different_classes(tmp_path):
    write(tmp_path / "train.parquet", range(20))
    write(tmp_path / "test.parquet", range(20), feature=datasets.ClassLabel(names=["odd", "even"]))
    with pytest.raises(DataError, match=r"differ; leave --task.streaming out$"):
        config(tmp_path).build()


def test_classes_that_the_schema_does_not_name(tmp_path):
    file = write(tmp_path / "some.parquet", range(20), feature=datasets.Value("int64"))
    with pytest.raises(DataError, match=r"train: label: the schema names no classes; leave --task.streaming out$"):
        config(file).splits()


def test_missing_columns(folder):
    with pytest.raises(DataError, match=r"train: no column 'photo' \(task.picture_column\); it has image, label$"):
        config(folder, picture_column="photo").splits()


def test_the_next_picture_takes_the_place_of_a_broken_one(tmp_path, caplog):
    pictures = [picture(row) for row in range(20)]
    for row in (4, 5, 17):
        pictures[row] = {"bytes": b"none", "path": None} if row != 5 else None
    write(tmp_path / "train.parquet", range(20), pictures=pictures)
    for split in ("validation", "test"):
        write(tmp_path / f"{split}.parquet", range(20))
    tasks = [config(tmp_path).build() for _ in range(2)]
    (first, *_), (second, *_) = (walked(task, 0, 20, [0]) for task in tasks)
    assert first == second
    assert sorted(first) == sorted([*(set(range(20)) - {4, 5, 17}), 6, 6, 18])
    assert "row 4: not a picture that can be read" in caplog.text
    with pytest.raises(DataError, match=r"train: row \d+: not a picture that can be read"):
        walked(config(tmp_path, broken="stop", learned=tasks[0].learned).build(), 0, 20, [0])


def test_no_other_picture_takes_the_place_of_those_that_cannot_be_had(folder, tmp_path):
    file = write(tmp_path / "some.parquet", range(60))
    task = config(file).build()
    assert task.splits
    file.unlink()
    with pytest.raises(Unreachable, match=r"some\.parquet: cannot be read \(FileNotFoundError: "):
        walked(task, 0, 43, [0])
    file.write_bytes(b"none")
    with pytest.raises(Unreachable, match=r"some\.parquet: cannot be read \(ArrowInvalid: "):
        config(file, learned=task.learned).splits()


def test_what_cannot_be_streamed(folder, tmp_path):
    (tmp_path / "cats").mkdir()
    for data in ("digits", tmp_path):
        with pytest.raises(DataError, match=r": no Parquet files, which streaming needs; leave --task.streaming out$"):
            config(data).splits()
    with pytest.raises(ConfigError, match="replacement = True: expected false while streaming"):
        config(folder, replacement=True)
    with pytest.raises(ConfigError, match="buffer = 0: expected at least 1"):
        config(folder, buffer=0)


def experiment(folder, **settings):
    model = machine(
        ticks=3,
        backbone=ctm.ConvNet.Config((4,), (True,)),
        observer=ctm.CrossAttention.Config(8, 2),
        neurons=16,
        memory=3,
        hidden=4,
        output=ctm.SemiDense(4),
        answer_shape=(10,),
    )
    training = parity(**settings).training
    return ctm.Experiment(task=config(folder, augmentations=(Flip(),)), model=model, training=training)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_run_goes_on_exactly(folder, tmp_path, monkeypatch, workers):
    whole = Run.create(tmp_path / "whole", experiment(folder))
    assert train(whole, quiet=True).iteration == 12
    killed = Run.create(tmp_path / "killed", experiment(folder, workers=workers))
    part = Images.part

    def dying(self, rows):
        if rows.iteration == 8:
            raise DataError("killed")
        return part(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Images, "part", dying)
        with pytest.raises(DataError, match="killed"):
            train(killed, quiet=True)
    assert killed.latest().iteration == 6
    assert train(Run.open(killed.path), quiet=True).iteration == 12
    assert everything(killed.path) == everything(whole.path)
    assert killed.metrics()[-1]["split"] == "test"


def test_without_streaming_nothing_is_read_through_it(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    monkeypatch.setattr(stream, "find_streams", None)
    monkeypatch.setattr(stream, "RowGroups", None)
    task = config(folder, streaming=False).build()
    assert len(set(walked(task, 0, 6, [1])[0])) == 6
