import subprocess
import sys

import pytest
import torch

from ctm import ConfigError, DataError
from ctm.tasks.digits import Digits
from ctm.testing import check_task


@pytest.fixture(scope="module")
def task():
    return Digits.Config().build()


def pictures(samples):
    return [(tuple(picture.flatten().tolist()), int(label)) for picture, label in zip(*samples, strict=True)]


def everything(task):
    return sorted(pictures(task.train) + pictures(task.splits["validation"]) + pictures(task.test))


def test_the_split_is_disjoint_and_complete(task):
    from sklearn.datasets import load_digits

    train, validation, test = (pictures(part) for part in (task.train, task.splits["validation"], task.test))
    assert (len(train), len(validation), len(test)) == (1294, 144, 359)
    stored, labels = load_digits(return_X_y=True)
    bytes_of = [tuple(round(pixel * 255 / 16) for pixel in picture) for picture in stored]
    assert sorted(train + validation + test) == sorted(zip(bytes_of, labels.tolist(), strict=True))


def test_the_split_is_the_same_in_every_process(task):
    program = (
        "from ctm.tasks.digits import Digits; import torch; torch.manual_seed(7); "
        "print(*Digits.Config().build().test.targets.tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert list(map(int, done.stdout.split())) == task.test.targets.tolist()


def test_another_seed_makes_another_split(task):
    other = Digits.Config(split_seed=1).build()
    assert not torch.equal(other.test.targets, task.test.targets)
    assert everything(other) == everything(task)


def test_the_shares_can_be_chosen():
    task = Digits.Config(test_share=0.5, validation_share=0.2).build()
    assert len(task.test.inputs) == round(1797 * 0.5)
    assert len(task.splits["validation"].inputs) == round((1797 - len(task.test.inputs)) * 0.2)


def test_pictures_go_from_minus_one_to_one(task):
    inputs, targets = task.batch(0, 0, 64)
    assert inputs.shape == (64, 1, 8, 8)
    assert inputs.dtype == torch.float32
    assert (inputs.min().item(), inputs.max().item()) == (-1.0, 1.0)
    assert (targets.dtype, targets.min().item(), targets.max().item()) == (torch.int64, 0, 9)


def test_every_digit_is_tested(task):
    counts = torch.bincount(task.test.targets)
    assert len(counts) == 10
    assert counts.min() >= 20


def test_an_answer_is_spelt(task):
    assert task.format_answer(torch.tensor(7)) == "7"


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5])
def test_impossible_shares_are_refused(share):
    with pytest.raises(ConfigError, match=f"^test_share = {share}: expected between 0 and 1$"):
        Digits.Config(test_share=share)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(DataError, match=r"pip install 'continuous-thought-machines\[data\]'"):
        Digits.Config().build()


def test_training_and_evaluation_can_use_it(task):
    check_task(task)
