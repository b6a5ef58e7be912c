import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import ctm
from ctm import ConfigError, DataError
from ctm.tasks.base import Rows
from ctm.tasks.images import Crop, Flip, Images, ResizedCrop
from ctm.tasks.images.known import DIGITS
from ctm.testing import check_task
from ctm.training import TrainingConfig
from ctm.training.loading import evaluation_batches, training_batches
from tasks.images.made import folder_of, mixed_sizes, noise


@pytest.fixture(scope="module")
def task():
    return DIGITS.build()


def pictures(samples):
    """The pixels and labels of all pictures of a split."""
    return [(tuple(samples.open(i).get_flattened_data()), label) for i, label in enumerate(samples.labels.tolist())]


def all_pictures(task):
    return sorted(itertools.chain(*map(pictures, task.splits)))


def test_the_split_is_disjoint_and_complete(task):
    from sklearn.datasets import load_digits

    train, validation, test = map(pictures, task.splits)
    assert (len(train), len(validation), len(test)) == (1294, 144, 359)
    stored, labels = load_digits(return_X_y=True)
    bytes_of = [tuple(round(pixel * 255 / 16) for pixel in picture) for picture in stored]
    assert sorted(train + validation + test) == sorted(zip(bytes_of, labels.tolist(), strict=True))


def test_the_split_is_the_same_in_every_process(task):
    program = (
        "from ctm.tasks.images.known import DIGITS; import torch; torch.manual_seed(7); "
        "print(*DIGITS.build().splits.test.labels.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert list(map(int, done.stdout.split())) == task.splits.test.labels.tolist()


def test_another_seed_makes_another_split(task):
    other = DIGITS.replace(split_seed=1).build()
    assert not torch.equal(other.splits.test.labels, task.splits.test.labels)
    assert all_pictures(other) == all_pictures(task)


def test_the_shares_can_be_chosen():
    task = DIGITS.replace(test_share=0.5, validation_share=0.2).build()
    assert task.count("test") == round(1797 * 0.5)
    assert task.count("validation") == round((1797 - task.count("test")) * 0.2)


def test_digits_go_from_minus_one_to_one(task):
    inputs, targets = task.batch(0, 0, 64)
    assert inputs.shape == (64, 1, 8, 8)
    assert inputs.dtype == torch.float32
    assert (inputs.min().item(), inputs.max().item()) == (-1.0, 1.0)
    assert (targets.dtype, targets.min().item(), targets.max().item()) == (torch.int64, 0, 9)


def test_every_digit_is_tested(task):
    counts = torch.bincount(task.splits.test.labels)
    assert len(counts) == 10
    assert counts.min() >= 20


def test_an_answer_is_the_name_of_a_class(task):
    assert task.format_answer(torch.tensor(7)) == "7"


def test_brightness_of_what_the_model_sees(task):
    visible = task.visible(torch.tensor([[[-1.0, 0.0], [0.5, 9.0]]]))
    assert visible.tolist() == [[[0.0, 0.5], [0.75, 1.0]]]


def test_only_training_batches_are_augmented():
    still, moving = DIGITS.replace(augmentations=()).build(), DIGITS.replace(augmentations=(Crop(2),)).build()
    assert torch.equal(moving.evaluation("test", 50)[0].inputs, still.evaluation("test", 50)[0].inputs)
    assert torch.equal(moving.evaluation("train", 50)[0].inputs, still.evaluation("train", 50)[0].inputs)
    batch = moving.batch(seed=0, iteration=3, size=50)
    assert not torch.equal(batch.inputs, still.batch(seed=0, iteration=3, size=50).inputs)
    assert torch.equal(batch.targets, still.batch(seed=0, iteration=3, size=50).targets)
    assert torch.equal(batch.inputs, moving.batch(seed=0, iteration=3, size=50).inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_share": 0.0}, r"^test_share = 0\.0: expected between 0 and 1$"),
        ({"test_share": 1.0}, r"^test_share = 1\.0: expected between 0 and 1$"),
        ({"validation_split": "val", "test_split": "val"}, r"^test_split = 'val': expected a split for each purpose$"),
        ({"train_split": "train", "validation_split": "train"}, r"^validation_split = 'train': expected a split for"),
        ({"validation_share": -0.5}, r"^validation_share = -0\.5: expected between 0 and 1$"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Images.Config(**changes)


def test_training_and_evaluation_can_use_it(task):
    check_task(task)


def folder_config(path, **changes):
    return Images.Config(**{"data": str(path), "test_share": 0.25, "validation_share": 0.25, **changes})


def learned(path, **changes):
    return folder_config(path, **changes).build().learned


def folder_with(path, pictures):
    """A folder of some pictures, by turns of class "a" and "b"."""
    for number, picture in enumerate(pictures):
        (path / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        picture.save(path / "ab"[number % 2] / f"{number}.png")
    return path


def seen_of(found):
    return found.height, found.width, found.resize, found.one_size


@pytest.mark.parametrize(
    ("sizes", "changes", "expected"),
    [
        ([(48, 32)], {}, (32, 48, 32, True)),
        ([(64, 64)], {}, (64, 64, 64, True)),
        ([(100, 100)], {}, (64, 64, 64, False)),
        ([(70, 40)], {}, (40, 40, 40, False)),
        ([(30, 20), (40, 25), (80, 90)], {}, (25, 25, 25, False)),
        ([(300, 200), (400, 250)], {}, (64, 64, 64, False)),
        ([(1, 1)], {}, (1, 1, 1, True)),
        ([(48, 32)], {"size": 32}, (32, 32, 32, False)),
        ([(48, 48)], {"size": 48}, (48, 48, 48, True)),
        ([(48, 48)], {"size": 96}, (96, 96, 96, False)),
        ([(48, 48)], {"size": 48, "resize": 56}, (48, 48, 56, False)),
        ([(300, 200)], {"size": 224, "resize": 256}, (224, 224, 256, False)),
    ],
)
def test_sizes(tmp_path, sizes, changes, expected):
    pictures = [noise(*sizes[number % len(sizes)], seed=number) for number in range(12)]
    task = folder_config(folder_with(tmp_path, pictures), **changes).build()
    assert seen_of(task.learned) == expected
    assert task.batch(0, 0, 3).inputs.shape == (3, 3, *expected[:2])


def test_sizes_are_those_of_upright_pictures(tmp_path):
    """All of 12x8 as they are stored; half of them are shown on their side."""
    folder_with(tmp_path, [noise(12, 8, seed=number) for number in range(12)])
    for path in (tmp_path / "a").iterdir():
        picture = Image.open(path).copy()
        exif = picture.getexif()
        exif[0x0112] = 6
        picture.save(path, exif=exif)
    assert seen_of(learned(tmp_path)) == (8, 8, 8, False)


def test_grey_and_colours(tmp_path):
    grey = folder_with(tmp_path / "grey", [noise(8, 8, "L", number) for number in range(12)])
    mixed = folder_with(tmp_path / "mixed", [noise(8, 8, "RGB" if number > 9 else "L", number) for number in range(12)])
    assert [learned(path).channels for path in (grey, mixed)] == [1, 3]
    for wanted, channels in ((True, 3), (False, 1)):
        for path in (grey, mixed):
            task = folder_config(path, colours=wanted).build()
            assert task.learned.channels == len(task.learned.mean) == len(task.learned.deviation) == channels
            assert task.batch(0, 0, 2).inputs.shape == (2, channels, 8, 8)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_are_normalised_by_their_mean_and_deviation(tmp_path, mode):
    task = folder_config(folder_with(tmp_path, [noise(8, 8, mode, number) for number in range(40)])).build()
    train = task.splits.train
    pixels = np.stack([np.asarray(train.open(index)) for index in range(len(train))]) / 255
    axes = (0, 1, 2)
    assert np.allclose(task.learned.mean, pixels.mean(axes), atol=1e-12)
    assert np.allclose(task.learned.deviation, pixels.std(axes), atol=1e-12)
    inputs = torch.cat([batch.inputs for batch in task.evaluation("train", 7)])
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5
    assert (inputs.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-5


def test_constant_pictures_are_zeros(tmp_path):
    task = folder_config(folder_with(tmp_path, [Image.new("L", (4, 4), 51)] * 12)).build()
    assert (task.learned.mean, task.learned.deviation) == (pytest.approx((0.2,)), (1.0,))
    assert task.batch(0, 0, 2).inputs.abs().max() < 1e-6


def test_mean_and_deviation_may_be_given(tmp_path):
    path = folder_with(tmp_path, [noise(8, 8, "L", number) for number in range(12)])
    task = folder_config(path, mean=(0.5,)).build()
    assert task.learned.mean == (0.5,)
    assert task.learned.deviation != (1.0,)
    with pytest.raises(ConfigError, match=r"^task\.mean = \[0\.5, 0\.5, 0\.5\]: expected 1 for grey pictures$"):
        folder_config(path, mean=(0.5,) * 3).build()
    with pytest.raises(ConfigError, match=r"^task\.deviation = \[0\.5\]: expected 3 for pictures in colours$"):
        folder_config(path, deviation=(0.5,), colours=True).build()


MANY = {"a": 6, "b": 6, "c": 6}
AUGMENTED = (ResizedCrop(8), Crop(1), Flip())


def rows_of(task, iteration, size, start, stop):
    rows = Rows(3, iteration, size, start, stop)
    return task.augmented(task.part(rows), rows)


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_rows_of_several_processes_make_the_batch_of_one(tmp_path, replacement, mixed):
    path = mixed_sizes(tmp_path) if mixed else folder_of(tmp_path, MANY, size=(8, 8))
    task = folder_config(path, size=8, augmentations=AUGMENTED, replacement=replacement).build()
    assert task.learned.one_size != mixed
    for iteration in range(3):
        whole = task.batch(3, iteration, 6)
        for cuts in ((0, 3, 6), (0, 1, 5, 6)):
            parts = [rows_of(task, iteration, 6, *cut) for cut in itertools.pairwise(cuts)]
            assert torch.equal(torch.cat([part.inputs for part in parts]), whole.inputs)
            assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)


@pytest.mark.parametrize("mixed", [False, True])
def test_what_is_kept_and_who_reads_makes_no_difference(tmp_path, mixed):
    path = mixed_sizes(tmp_path) if mixed else folder_of(tmp_path, MANY, size=(8, 8))
    runs = []
    for keep, workers in ((2.0, 0), (0.0, 0), (2.0, 2)):
        task = folder_config(path, size=8, augmentations=AUGMENTED, keep=keep).build()
        config = TrainingConfig(iterations=4, batch_size=6, workers=workers)
        batches = list(training_batches(task, config, 0))
        tests = [batch for batch, _ in evaluation_batches(task, "test", 2, workers)]
        runs.append(torch.cat([batch.inputs.flatten().float() for batch in batches + tests]))
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2])


def test_pictures_come_once_an_epoch_or_at_random(tmp_path):
    path = folder_of(tmp_path, {"a": 8, "b": 8})
    for replacement in (False, True):
        task = folder_config(path, replacement=replacement).build()
        count = task.count("train")
        pixels = torch.cat([task.batch(0, iteration, count // 3).inputs.flatten(1) for iteration in range(3)])
        assert (len(pixels.unique(dim=0)) == count) != replacement


def test_a_task_survives_being_sent_to_a_new_process(tmp_path):
    task = folder_config(folder_of(tmp_path, MANY)).build()
    first = task.batch(0, 0, 4)
    again = pickle.loads(pickle.dumps(task)).batch(0, 0, 4)
    assert torch.equal(first.inputs, again.inputs)


def test_other_classes_than_when_the_run_was_made_are_refused(tmp_path):
    config = folder_config(folder_of(tmp_path, {"a": 4, "b": 4}))
    config = config.replace(learned=config.build().learned)
    folder_of(tmp_path, {"c": 4})
    with pytest.raises(DataError, match=r": classes a, b, c: expected a, b, as when the run was made$"):
        config.build().batch(0, 0, 2)


def test_too_few_pictures_are_refused(tmp_path):
    path = folder_of(tmp_path, {"a": 1, "b": 1})
    with pytest.raises(DataError, match=r"samples: .* held out, .* left; expected at least one of each|of one class"):
        folder_config(path, test_share=0.1).build()


def test_a_picture_that_is_broken_stops_where_it_is_to_stop(tmp_path):
    path = folder_of(tmp_path, {"a": 6, "b": 6})
    for file in (path / "a").iterdir():
        file.write_bytes(b"")
    assert folder_config(path).build().batch(0, 0, 8).targets.unique().tolist() == [1]
    with pytest.raises(DataError, match=r"\.png: not a picture that can be read"):
        folder_config(path, broken="stop").build()
    for file in (path / "b").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"\.png: not a picture that can be read .*; nor can any of the .* after it"):
        folder_config(path).build()


def test_a_broken_picture_is_reported_once(tmp_path, caplog):
    path = folder_of(tmp_path, {"a": 6, "b": 6})
    config = folder_config(path)
    broken = config.build().splits.train.name(0)
    (path / broken).write_bytes(b"")
    task = config.build()
    assert caplog.records == []
    task.batch(0, 0, 30)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [broken]


def test_a_relative_folder_is_found_from_anywhere(tmp_path, monkeypatch):
    folder_of(tmp_path / "mine", {"a": 6, "b": 6})
    monkeypatch.chdir(tmp_path)
    task, _ = folder_config("mine").fitted(ctm.preset("images/quick").model)
    assert task.data == str(tmp_path / "mine")


def test_scores_are_compared_on_the_same_test_pictures_only(tmp_path):
    task = folder_config(tmp_path)
    assert task.replace(augmentations=(), size=9, replacement=True).comparable == task.comparable
    for other in ({"data": "digits"}, {"test_share": 0.5}, {"test_split": "val"}, {"split_seed": 1}):
        assert task.replace(**other).comparable != task.comparable, other


def test_whole_pictures_are_evaluated_one_at_a_time(tmp_path):
    sizes = [(20, 30), (30, 20), (24, 24), (20, 41)]
    for name in ("a", "b"):
        (tmp_path / "test" / name).mkdir(parents=True)
        folder_of(tmp_path / "train", {name: 5}, size=(30, 20))
        for number, size in enumerate(sizes):
            noise(*size, seed=number).save(tmp_path / "test" / name / f"{number}.png")
    (tmp_path / "test" / "a" / "2.png").write_bytes(b"broken")
    cropped = Images.Config(data=str(tmp_path), size=8, resize=10).build()
    whole = Images(cropped.config, whole=True)
    batches = list(whole.evaluation("test", 256))
    shapes = [(15, 10), (15, 10), (10, 15), (10, 15), (10, 10), (10, 10), (20, 10), (20, 10)]
    assert [tuple(batch.inputs.shape) for batch in batches] == [(1, 3, *shape) for shape in shapes]
    assert torch.cat([batch.targets for batch in batches]).tolist() == [0, 1, 0, 1, 1, 1, 0, 1]
    (middles,) = cropped.evaluation("test", 256)
    for batch, middle in zip(batches, middles.inputs, strict=True):
        if batch.inputs.shape[2:] == (10, 10):
            torch.testing.assert_close(batch.inputs[0, :, 3:7, 3:7], middle[:, 2:6, 2:6], atol=0.02, rtol=0)
    assert whole.batch(0, 0, 4).inputs.shape == (4, 3, 8, 8)
