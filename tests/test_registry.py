import pytest
import torch

import ctm
from ctm import ConfigError, Experiment, MachineConfig
from ctm.registry import _PRESETS, model_config, summary

PAPER_PARITY = {1: 1, 10: 5, 25: 10, 50: 25, 75: 25, 100: 50}  # ticks: memory, Table 3


def test_the_presets():
    names = ctm.presets()
    assert len(names) == len(set(names))
    assert {"digits", "mnist", "parity/quick", "mazes/paper", "imagenet/paper", "cifar10/paper"} <= set(names)
    assert {f"parity/paper-{ticks}" for ticks in PAPER_PARITY} <= set(names)


def test_the_list_cannot_be_changed_from_outside():
    ctm.presets().clear()
    assert ctm.presets()


@pytest.mark.parametrize("name", ctm.presets())
def test_every_preset_is_complete(name):
    config = ctm.preset(name)
    assert isinstance(config, Experiment | MachineConfig)
    assert config == ctm.preset(name)
    with torch.device("meta"):
        assert model_config(name).build().config == model_config(name)
    line = summary(name)
    assert line.endswith((".", "network", ":", "laptop."))
    assert "\n" not in line
    assert 10 < len(line) < 120


@pytest.mark.parametrize("name", [name for name in ctm.presets() if isinstance(ctm.preset(name), Experiment)])
def test_models_answer_what_their_tasks_ask(name):
    experiment = ctm.preset(name)
    if name.startswith("parity"):
        assert experiment.model.readout.answer == (experiment.task.length,)
        assert experiment.model.readout.classes == 2
    elif name.startswith("sort"):
        assert experiment.model.readout == ctm.ClassReadout.Config(classes=experiment.task.numbers + 1)
    elif name.startswith("mazes"):
        assert experiment.model.readout.answer == (experiment.task.route_length,)
        assert experiment.model.readout.classes == 5
    elif name.startswith(("sudoku", "maze-")):
        assert experiment.model.readout.shape == experiment.task.answer_shape
    elif experiment.task.acts:
        actions = experiment.task.environment.spaces().actions
        assert experiment.model.readout == ctm.ActorCritic.Config(actions.count, actions.continuous)
    elif name == "arrays":  # until the data are known
        assert experiment.model.readout == ctm.ClassReadout.Config(classes=2)
    else:
        classes = {"cifar100": 100, "imagenet": 1000}.get(name.partition("/")[0], 10)
        assert experiment.model.readout == ctm.ClassReadout.Config(classes)


@pytest.mark.parametrize(("ticks", "memory"), PAPER_PARITY.items())
def test_parity_is_as_published(ticks, memory):
    experiment = ctm.preset(f"parity/paper-{ticks}")
    model, training = experiment.model, experiment.training
    assert (model.ticks, model.core.memory, model.core.neurons) == (ticks, memory, 1024)
    assert (model.observer.embedding, model.observer.heads, model.core.models.hidden) == (512, 8, 16)
    assert (training.iterations, training.batch_size, training.optimizer.learning_rate) == (200_000, 64, 1e-4)
    assert (training.schedule.warmup, training.clipping.quantile) == (500, 0.9)


def test_mazes_are_as_published():
    paper, small = (ctm.preset(name) for name in ("mazes/paper", "mazes/15"))
    assert [(task.size, task.route_length, task.signed) for task in (paper.task, small.task)] == [
        (39, 100, False),
        (15, 50, True),
    ]
    for experiment, iterations, warmup in ((paper, 1_000_000, 10_000), (small, 100_000, 5_000)):
        task, training = experiment.task, experiment.training
        assert (task.loss, task.train_mazes, task.test_mazes) == (ctm.CurriculumLoss("as_trained", 5), 45_000, 5_000)
        assert (training.iterations, training.schedule.warmup, training.batch_size) == (iterations, warmup, 64)
        assert (training.optimizer.learning_rate, training.optimizer.weight_decay) == (1e-4, 0)


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("digits", (3, 1, 8, 8)),
        ("mnist", (2, 1, 28, 28)),
        ("parity/quick", (2, 9)),
        ("sort/quick", (2, 8)),
        ("cifar10/paper", (1, 3, 32, 32)),
    ],
)
def test_models_think(name, batch):
    thoughts = ctm.build(name).eval()(torch.ones(batch), ticks=2)
    assert thoughts.logits.shape[:2] == (batch[0], 2)
    assert torch.isfinite(thoughts.logits).all()


@pytest.mark.parametrize("find", [ctm.preset, ctm.build, model_config])
def test_an_unknown_name_suggests_the_nearest(find):
    with pytest.raises(ConfigError, match=r"^preset = 'digit': unknown; did you mean 'digits'\?$"):
        find("digit")


def test_an_outlandish_name_says_where_the_names_are():
    with pytest.raises(ConfigError, match=r"^preset = 'xyzzy': unknown; 'ctm presets' and ctm\.presets\(\) list them$"):
        ctm.preset("xyzzy")


def test_a_model_alone_or_of_an_experiment(monkeypatch):
    model = ctm.preset("digits").model
    monkeypatch.setattr("ctm.registry._PRESETS", dict(_PRESETS))
    ctm.register("alone")(lambda: model)
    assert model_config("digits") == model_config("alone") == ctm.preset("alone") == model
