import datasets
import pytest
import torch

from ctm import DataError
from ctm.tasks.images.data import find, split
from ctm.tasks.images.decoding import Frame
from ctm.tasks.images.known import CIFAR10
from ctm.tasks.images.reading import Reader
from ctm.tasks.images.stream import find_streams
from tasks.images.made import encoded, folder_of, noise


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The library keeps its own copies here."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def stored(path, labels, *, names=("cat", "dog"), split="train", column="image", label="label", **more):
    """A Parquet file in the schema of the hub, as `datasets` writes it."""
    pictures = [noise(seed=number) for number in range(len(labels))]
    features = {column: datasets.Image(), label: label_type(names)}
    features |= {name: feature for name, (feature, _) in more.items()}
    rows = {column: pictures, label: labels} | {name: values for name, (_, values) in more.items()}
    path.mkdir(exist_ok=True)
    data = datasets.Dataset.from_dict(rows, datasets.Features(features))
    data.to_parquet(path / f"{split}-00000-of-00001.parquet")
    return path


def label_type(names):
    return datasets.ClassLabel(names=list(names)) if isinstance(names, tuple) else names


def test_a_folder_of_parquet_files(tmp_path):
    stored(tmp_path / "data", [0, 1, 1])
    stored(tmp_path / "data", [1, 0], split="test")
    found = find(str(tmp_path / "data"))
    assert list(found) == ["train", "test"]
    train = found["train"]
    assert train.classes == ("cat", "dog")
    assert train.labels.tolist() == [0, 1, 1]
    assert train.labels.dtype == torch.int64
    for number in range(3):
        assert train.open(number).tobytes() == noise(seed=number).tobytes()
    assert train.name(2) == f"{tmp_path / 'data'}: train: row 2"


def test_a_single_file_is_the_split_to_train_on(tmp_path):
    path = stored(tmp_path / "data", [0, 1, 1]) / "train-00000-of-00001.parquet"
    assert list(find(str(path))) == ["train"]


def test_pictures_as_plain_bytes(tmp_path):
    """Files of some sets do not say that a column holds pictures; it has fields "bytes" and "path"."""
    rows = {"img": [{"bytes": encoded(noise(seed=n)), "path": None} for n in range(4)], "label": [0, 1, 2, 1]}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "some.parquet")
    pictures = find(str(tmp_path / "some.parquet"))["train"]
    assert pictures.classes == ("0", "1", "2")
    assert pictures.open(3).tobytes() == noise(seed=3).tobytes()


def test_a_test_split_whose_labels_are_kept_secret_is_left_out(tmp_path):
    stored(tmp_path / "data", [0, 1, 1])
    stored(tmp_path / "data", [-1, -1], split="test")
    assert list(find(str(tmp_path / "data"))) == ["train"]
    only = stored(tmp_path / "secret", [-1, -1], split="test")
    with pytest.raises(DataError, match=r"secret: no labels in test$"):
        find(str(only))


@pytest.mark.parametrize("labels", [[0, -1, 1], [0, 1, None]])
def test_a_label_that_is_missing_is_named(tmp_path, labels):
    stored(tmp_path / "data", labels)
    with pytest.raises(DataError, match=r"train: row [12]: no label: expected 0 to 1$"):
        find(str(tmp_path / "data"))


@pytest.mark.parametrize(
    ("labels", "kind", "classes", "places"),
    [
        ([2, 0, 2], "int64", ("0", "1", "2"), [2, 0, 2]),
        (["tree", "house", "tree"], "string", ("house", "tree"), [1, 0, 1]),
        ([True, False, True], "bool", ("0", "1"), [1, 0, 1]),
    ],
)
def test_labels_without_names_of_classes(tmp_path, labels, kind, classes, places):
    stored(tmp_path / "data", labels, names=datasets.Value(kind))
    pictures = find(str(tmp_path / "data"))["train"]
    assert (pictures.classes, pictures.labels.tolist()) == (classes, places)


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([0.5, 1.0], "float32", "train: label: values of type float32: expected whole numbers or text$"),
        ([0, 10**9], "int64", "train: label: label 1000000000: expected whole numbers below 100000$"),
        ([0, -3], "int64", "train: row 1: label -3: expected 0 to 0$"),
        ([[0], [1]], datasets.List(datasets.Value("int64")), r"column 'label' has List.*: expected labels"),
        (["a", None], "string", "train: row 1: no label"),
        ([1, None], "int64", "train: row 1: no label"),
    ],
)
def test_what_is_no_label_is_refused(tmp_path, labels, kind, message):
    stored(tmp_path / "data", labels, names=datasets.Value(kind) if isinstance(kind, str) else kind)
    with pytest.raises(DataError, match=message):
        find(str(tmp_path / "data"))


def test_text_labels_of_other_splits_are_told_by_their_names(tmp_path):
    stored(tmp_path / "data", ["b", "a", "c"], names=datasets.Value("string"))
    stored(tmp_path / "data", ["c", "b"], names=datasets.Value("string"), split="test")
    found = split("data", find(str(tmp_path / "data")), dict.fromkeys(("train", "validation", "test")), (0.4, 0.4), 0)
    assert found.test.labels.tolist() == [2, 1]


FINE = datasets.ClassLabel(names=["oak", "fir"])


def test_several_columns_must_be_chosen_from(tmp_path):
    more = {
        "fine": (FINE, [0, 0, 1]),
        "mask": (datasets.Image(), [noise(4, 4)] * 3),
        "id": (datasets.Value("int64"), [7, 8, 9]),
    }
    path = str(stored(tmp_path / "data", [0, 1, 1], **more))
    with pytest.raises(DataError, match=r"image, mask could be pictures: name one as --task\.picture-column$"):
        find(path)
    with pytest.raises(DataError, match=r"label, fine could be labels: name one as --task\.label-column$"):
        find(path, "image")
    pictures = find(path, "mask", "fine")["train"]
    assert pictures.classes == ("oak", "fir")
    assert pictures.open(0).size == (4, 4)
    assert find(path, "image", "id")["train"].labels.tolist() == [7, 8, 9]
    for name, column in (("picture", "--picture"), ("label", "--label")):
        with pytest.raises(DataError, match=rf"no column '{column}' \(task\.{name}_column\); it has "):
            find(path, **{"picture_column": "image", "label_column": "fine", f"{name}_column": column})


def test_a_column_that_holds_something_else_is_refused(tmp_path):
    path = str(stored(tmp_path / "data", [0, 1, 1], id=(datasets.Value("int64"), [7, 8, 9])))
    with pytest.raises(DataError, match=r"train: column 'id' has Value.*: expected pictures \(task\.picture_column\)$"):
        find(path, "id")
    with pytest.raises(DataError, match=r"train: no column 'image' \(task\.label_column\); it has label, id$"):
        find(path, None, "image")


def test_data_without_pictures_or_labels_are_refused(tmp_path):
    datasets.Dataset.from_dict({"text": ["x"], "label": [1]}).to_parquet(tmp_path / "text.parquet")
    with pytest.raises(
        DataError, match=r"train: no column has the pictures; it has text, label: name one as --task\.pic"
    ):
        find(str(tmp_path / "text.parquet"))
    rows = datasets.Dataset.from_dict(
        {"image": [noise()], "age": [1]}, datasets.Features({"image": datasets.Image(), "age": datasets.Value("int64")})
    )
    rows.to_parquet(tmp_path / "unlabelled.parquet")
    with pytest.raises(
        DataError, match=r"train: no column has the labels; it has age: name one as --task\.label-column$"
    ):
        find(str(tmp_path / "unlabelled.parquet"))


def test_what_is_no_parquet_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"broken\.parquet: cannot be read \(") as caught:
        find(str(tmp_path / "broken.parquet"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("stray", ["notes.parquet", "b/notes.parquet"])
def test_a_folder_of_both_kinds_is_refused(tmp_path, stray, streams):
    folder_of(tmp_path, {"a": 1, "b": 1})
    (tmp_path / stray).write_bytes(b"")
    found = rf"^{tmp_path}: Parquet files \({stray}\) and pictures in subfolders \(a/0\.png\); name what is meant"
    with pytest.raises(DataError, match=found):
        find_streams(str(tmp_path), None, None, 1) if streams else find(str(tmp_path))


def test_a_row_without_a_picture_is_broken(tmp_path):
    rows = {"image": [encoded_row(0), None, {"bytes": b"junk", "path": None}, encoded_row(3)], "label": [0, 1, 1, 0]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "some.parquet")
    reader = Reader(find(str(tmp_path / "some.parquet"))["train"], Frame(12, 12, 12, 3))
    pixels, labels = reader.read(torch.arange(4))
    assert labels.tolist() == [0, 0, 0, 0]
    assert torch.equal(pixels[1], pixels[3])
    assert reader.broken == 2
    with pytest.raises(DataError, match=r"some\.parquet: train: row 1: not a picture that can be read \(no picture\)$"):
        Reader(find(str(tmp_path / "some.parquet"))["train"], Frame(12, 12, 12, 3), replace=False).read(torch.arange(4))


def encoded_row(seed):
    return {"bytes": encoded(noise(seed=seed)), "path": None}


CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_the_real_cifar10(data):
    found = find(str(data / "cifar10"))
    train, test = found["train"], found["test"]
    assert (len(train), len(test)) == (50_000, 10_000)
    assert train.classes == test.classes == CLASSES
    assert train.labels.bincount().tolist() == [5000] * 10
    assert test.labels.bincount().tolist() == [1000] * 10
    assert train.labels[:5].tolist() in ([6, 9, 9, 4, 1], [0, 6, 0, 2, 7])  # in the order of the authors or the hub
    assert test.labels[:5].tolist() == [3, 8, 8, 0, 6]
    assert (train.open(0).mode, train.open(49_999).size) == ("RGB", (32, 32))
    task = CIFAR10.replace(data=str(data / "cifar10")).build()
    assert [task.count(part) for part in ("train", "validation", "test")] == [45_000, 5_000, 10_000]
    batch = task.batch(0, 0, 500)
    assert batch.inputs.shape == (500, 3, 32, 32)
    assert batch.inputs.mean((0, 2, 3)).abs().max() < 0.1
    assert (batch.inputs.std((0, 2, 3)) - 1).abs().max() < 0.1
