"""A line of Python trains on arrays."""

import numpy as np
import pytest
import torch

import ctm
from ctm import ConfigError, DataError
from ctm.cli import main
from tasks.arrays.data import SHAPES, SMALL, experiment, samples


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    x, y = samples((6, 5, 1))
    return ctm.fit(experiment(), train=(x, y), run=tmp_path_factory.mktemp("runs") / "mine", quiet=True)


def test_it_gives_model_scores_and_labels(fitted):
    x, y = samples((6, 5, 1))
    answers = fitted.predict(torch.from_numpy(x))
    assert answers.shape == y.shape
    assert set(answers) <= set(y)
    with torch.inference_mode():
        expected = fitted.model(fitted.task.inputs(x)).at("most_certain").argmax(-1)
    assert answers.tolist() == [("maybe", "no", "yes")[label] for label in expected]
    evaluated = ctm.training.evaluate(fitted.model, fitted.task, "test")
    assert fitted.scores["accuracy"] == pytest.approx(evaluated["accuracy"])


def test_its_run_is_one_like_any_other(fitted, capsys):
    path = str(fitted.run.path)
    assert sorted(file.name for file in (fitted.run.path / "data").iterdir()) == ["train.npz"]
    assert main(["evaluate", path]) == 0
    assert main(["train", "--resume", path, "--quiet"]) == 0
    assert main(["think", path, "--index", "1"]) == 0
    said = capsys.readouterr().out
    assert f"test accuracy: {fitted.scores['accuracy']:.4f}" in said
    assert "truth: " in said
    assert (fitted.run.path / "figures" / "think-1.gif").exists()
    again = ctm.FittedModel(ctm.Run.open(path))
    x, _ = samples((6, 5, 1))
    assert again.predict(x).tolist() == fitted.predict(x).tolist()


def test_a_machine_is_trained_further(fitted, tmp_path):
    x, y = samples((6, 5, 1))
    before = {name: tensor.clone() for name, tensor in fitted.model.state_dict().items()}
    again = ctm.fit(fitted.model, (x, y), run=tmp_path / "run", quiet=True, iterations=2, evaluate_every=1, keep=9)
    assert again.run.experiment.model == fitted.model.config
    first, *_, last = again.run.checkpoints()
    assert first.iteration == 0
    started = fitted.model.config.build()
    first.load_weights(started)
    for name, tensor in started.state_dict().items():
        assert torch.equal(tensor, before[name]), name
        assert torch.equal(fitted.model.state_dict()[name], before[name]), name
    last.load_weights(started)
    assert not torch.equal(started.readout.linear.weight, before["readout.linear.weight"])


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((6, 5, 2), 3, r"fit: the machine's backbone = .*'input_channels': 1.*: these data need .*'input_channels': 2"),
        (
            (6, 5, 1),
            2,
            r"fit: the machine's readout = .*'classes': 3.*: these data need .*'classes': 2.*machine\.config",
        ),
    ],
)
def test_a_machine_that_the_data_do_not_fit_is_refused(fitted, tmp_path, shape, labels, message):
    x, y = samples(shape)
    kept = np.isin(y, np.unique(y)[:labels])
    with pytest.raises(ConfigError, match=message):
        ctm.fit(fitted.model, (x[kept], y[kept]), run=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("shape", SHAPES)
def test_machines_are_adapted_to_the_data(tmp_path, shape):
    x, y = samples(shape, positions=(2,))
    machine = experiment().model.replace(
        backbone=ctm.TokenEmbedding.Config(8), observer=ctm.CrossAttention.Config(8, 2)
    )
    found = ctm.fit(machine, (x, y), (x, y), test=(x[:7], y[:7]), run=tmp_path / "run", quiet=True, **SMALL)
    assert found.run.experiment.training.iterations == 3
    assert found.predict(x[:3]).shape == (3, 2)
    assert len(found.task.samples.test.targets) == 7


def test_presets_are_adapted_and_their_loss_is_kept(tmp_path):
    x, y = samples((6, 5, 2))
    small = experiment()
    lstm = small.replace(
        task=ctm.preset("parity/quick-lstm").task, model=ctm.preset("parity/quick-lstm").model.replace(ticks=2)
    )
    found = ctm.fit(lstm, (x, y), run=tmp_path / "run", quiet=True, iterations=1)
    assert found.run.experiment.task.loss == ctm.TwoTickLoss("last")
    assert found.run.experiment.training.iterations == 1
    assert found.model.config.core.kind == "lstm"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"what": ctm.Dense(3)}, ConfigError, "fit: Dense: expected a preset, an Experiment or a machine"),
        ({"what": "qamnist/quick"}, ConfigError, "model.observer: scheduled: expected one that sees"),
        ({"train": (*samples(), 1)}, DataError, r"train: expected a pair of inputs and labels, \(x, y\)"),
        ({"train": ([[1.0], [2.0, 3.0]], [0, 1])}, DataError, "train: x: not an array"),
        ({"validation": (samples()[0], np.ones(60))}, DataError, "validation: y: values of type float64: expected"),
        ({"test": (samples()[0], samples()[1] + "!")}, DataError, "test: y: '.*!' in row 0: no sample to train on has"),
        ({"iteration": 3}, ConfigError, "training.iteration: no such field; did you mean 'iterations'"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(tmp_path, arguments, error, message):
    with pytest.raises(error, match=f"^{message}"):
        ctm.fit(**{"what": "arrays", "train": samples(), "run": tmp_path / "run"} | arguments)
    assert not (tmp_path / "run").exists()


def test_other_samples_are_refused(fitted):
    with pytest.raises(DataError, match=r"^x: shape \(2, 6, 5\): expected \(N, 6, 5, 1\), as to train on$"):
        fitted.predict(np.ones((2, 6, 5)))
