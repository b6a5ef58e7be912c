import numpy as np
import pytest
import torch

import ctm
from ctm.analysis.people import PEOPLE, judged_by_people
from ctm.comparison.people import _names, compare_with_people, people_scores, read_difficulty, read_labels
from ctm.errors import ConfigError, DataError
from ctm.training import Run, train
from training.experiments import parity

TARGETS = torch.arange(40) % 4


def saved(tmp_path, values):
    path = tmp_path / "labels.npy"
    np.save(path, values)
    return path


def labels():
    return np.eye(4)[TARGETS] * 0.7 + 0.075


def test_labels_are_read(tmp_path):
    torch.testing.assert_close(read_labels(saved(tmp_path, labels()), TARGETS, 4), torch.from_numpy(labels()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels[:-1], r"shape \(39, 4\): expected \(40, 4\), a row for each test sample in order"),
        (lambda labels: labels[:, :3], r"shape \(40, 3\): expected \(40, 4\)"),
        (
            lambda labels: np.round(40 * labels),
            "values from 3 to 31: expected probabilities from 0 to 1; divide numbers",
        ),
        (lambda labels: labels - 0.1, "values from -0.025 to 0.675: expected probabilities"),
        (lambda labels: labels * np.where(np.arange(40) == 7, 0.5, 1)[:, None], "row 7 sums up to 0.5: expected 1"),
        (lambda labels: np.where(labels > 0.5, np.nan, labels), "some values are not finite"),
        (lambda labels: labels.astype(str), "values of type <U.*: expected numbers"),
        (lambda labels: np.roll(labels, 1, axis=0), "right for 0.0% of the test samples, no more than by chance"),
        (
            lambda labels: labels[np.random.default_rng(0).permutation(40)],
            "no more than by chance: expected rows in the",
        ),
    ],
)
def test_labels_that_cannot_be_those_of_the_samples(tmp_path, change, message):
    with pytest.raises(DataError, match=rf"labels\.npy: .*{message}"):
        read_labels(saved(tmp_path, change(labels())), TARGETS, 4)


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.npy: no such file"):
        read_labels(tmp_path / "nowhere.npy", TARGETS, 4)
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(DataError, match=r"text\.npy: expected an array, as np.save or np.savez writes it \("):
        read_labels(tmp_path / "text.npy", TARGETS, 4)
    np.savez(tmp_path / "several.npz", one=labels())
    with pytest.raises(DataError, match=r"several\.npz: holds several arrays: expected a single one"):
        read_labels(tmp_path / "several.npz", TARGETS, 4)


def test_difficulty_is_the_share_of_models_that_are_wrong(tmp_path):
    predictions = np.random.default_rng(0).integers(0, 4, (6, 40))
    np.savez(tmp_path / "models.npz", predictions=predictions.astype(np.uint8), labels=TARGETS.numpy().astype(np.uint8))
    found = read_difficulty(tmp_path / "models.npz", TARGETS)
    targets = TARGETS.tolist()
    naive = [sum(model[place] != target for model in predictions) / 6 for place, target in enumerate(targets)]
    assert found.tolist() == pytest.approx(naive)
    torch.testing.assert_close(read_difficulty(saved(tmp_path, found.numpy()), TARGETS), found)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": TARGETS}, "no array 'predictions': there are labels; expected predictions and labels"),
        ({"predictions": np.zeros((6, 39)), "labels": TARGETS}, r"expected \(models, 40\) and \(40,\)"),
        ({"predictions": np.zeros((6, 40)), "labels": TARGETS[:39]}, r"expected \(models, 40\) and \(40,\)"),
        (
            {"predictions": np.zeros((6, 40)), "labels": (TARGETS + (TARGETS == 2)).clone()},
            "labels: 10 of 40 are not those of the test split, the first one of sample 2: 3, expected 2",
        ),
    ],
)
def test_predictions_of_other_samples(tmp_path, arrays, message):
    np.savez(tmp_path / "models.npz", **{name: np.asarray(values) for name, values in arrays.items()})
    with pytest.raises(DataError, match=rf"models\.npz: .*{message}"):
        read_difficulty(tmp_path / "models.npz", TARGETS)


def test_difficulties_of_other_samples(tmp_path):
    with pytest.raises(DataError, match=r"shape \(39,\): expected \(40,\), a number for each test sample"):
        read_difficulty(saved(tmp_path, np.zeros(39)), TARGETS)


def test_names_tell_runs_apart(tmp_path):
    assert _names([tmp_path / "one" / "seed-0", tmp_path / "two"]) == ["seed-0", "two"]
    assert _names([tmp_path / "one" / "seed-0", tmp_path / "two" / "seed-0"]) == ["one/seed-0", "two/seed-0"]
    assert _names([tmp_path / "runs" / PEOPLE]) == [f"runs/{PEOPLE}"]


@pytest.fixture(name="digits", scope="module")
def _digits(tmp_path_factory):
    """A run of a few iterations on handwritten digits."""
    experiment = ctm.preset("digits")
    training = experiment.training.replace(iterations=1, accelerator="cpu", batch_size=4)
    run = Run.create(
        tmp_path_factory.mktemp("runs") / "digits",
        experiment.replace(training=training, model=experiment.model.replace(ticks=2)),
    )
    train(run, quiet=True)
    return run


def test_a_model_beside_people(digits, tmp_path):
    task, model = digits.experiment.task.build(), digits.load_model()
    (batch,) = task.evaluation("test", 1000)
    shares = torch.nn.functional.one_hot(batch.targets, 10).double() * 0.8 + 0.02
    path = saved(tmp_path, shares.numpy())
    everyone, hard = compare_with_people([digits.path], path, None, torch.device("cpu"))
    assert (list(everyone), hard) == (["digits", PEOPLE], None)
    scores = people_scores(everyone)
    with torch.no_grad():
        right = model(batch.inputs).at("most_certain").argmax(-1) == batch.targets
    assert scores["digits"]["accuracy"] == pytest.approx(float(right.double().mean()))
    assert torch.equal(everyone["digits"].right, right)
    assert scores[PEOPLE]["accuracy"] == 1
    assert scores[PEOPLE]["calibration_error"] == pytest.approx(0.18, abs=1e-6)
    np.save(tmp_path / "hard.npy", np.arange(359))
    _, hard = compare_with_people([digits.path], path, tmp_path / "hard.npy", torch.device("cpu"))
    assert hard.tolist() == list(range(359))


def test_runs_that_cannot_stand_beside_each_other(digits, tmp_path):
    cpu = torch.device("cpu")
    with pytest.raises(ConfigError, match="expected each run once"):
        compare_with_people([digits.path, digits.path / ".." / digits.path.name], tmp_path, None, cpu)
    several = Run.create(tmp_path / "parity", parity())
    with pytest.raises(ConfigError, match="parity: learned parity: expected a task with one label a sample"):
        compare_with_people([several.path], tmp_path, None, cpu)
    experiment = digits.experiment
    other = Run.create(tmp_path / "other", experiment.replace(task=experiment.task.replace(split_seed=1)))
    with pytest.raises(DataError, match=r"other: its test samples are not those of .*digits"):
        compare_with_people([digits.path, other.path], tmp_path, None, cpu)


def test_the_people_of_cifar_10(data):
    """10,000 test pictures, as 30 published models and about 50 people each have labelled them."""
    folder = data / "cifar10h"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    models = np.load(data / "cifar10" / "test_model_predictions_30.npz")
    targets = torch.from_numpy(models["labels"].astype(np.int64))
    hard = read_difficulty(data / "cifar10" / "test_model_predictions_30.npz", targets)
    shares = read_labels(folder / "cifar10h-probs.npy", targets, 10)
    people = judged_by_people(shares, targets)
    assert float(people.right.double().mean()) == pytest.approx(0.9921)
    assert people.uncertainty[hard > 0.5].mean() > 2 * people.uncertainty[hard < 0.1].mean()
    with pytest.raises(DataError, match="divide numbers of people by the sums of their rows"):
        read_labels(folder / "cifar10h-counts.npy", targets, 10)
    with pytest.raises(DataError, match="no more than by chance"):
        read_labels(folder / "cifar10h-probs.npy", targets.roll(1), 10)
    with pytest.raises(DataError, match="are not those of the test split"):
        read_difficulty(data / "cifar10" / "test_model_predictions_30.npz", targets.roll(1))
