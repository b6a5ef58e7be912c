import itertools
import subprocess
import sys

import pytest
import torch

from ctm import ConfigError
from ctm.tasks.images import Crop, Images
from ctm.tasks.images.known import DIGITS
from ctm.testing import check_task


@pytest.fixture(scope="module")
def task():
    return DIGITS.build()


def pictures(samples):
    """The pixels and labels of all pictures of a split."""
    return [(tuple(samples.open(i).get_flattened_data()), label) for i, label in enumerate(samples.labels.tolist())]


def everything(task):
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
    assert everything(other) == everything(task)


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
