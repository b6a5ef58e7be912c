"""The files of docs/your-task.md and docs/your-part.md work as they stand there."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import ctm
from ctm import ConfigError, baselines, plugins
from ctm.cli import main
from ctm.training import train
from ctm.training.report import report
from plugin_files import write

DOCS = Path(__file__).parents[1] / "docs"
PAGES = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("your-task.md", "your-part.md"))
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGES, re.DOTALL))
PRESETS = [name for name, text in FILES.items() if "@ctm.register" in text]

pytestmark = pytest.mark.usefixtures("new_process")


def loaded(name, folder):
    return plugins.load(write(folder / name, FILES[name]))


def parity(**parts):
    """A machine for parity of 9 signs with other parts."""
    return ctm.preset("parity/quick").model.replace(ticks=3, **parts)


def check(model, x):
    """The machine agrees with its oracle and stops when sure; baselines can be made of it."""
    machine = model.build().double().eval()
    thoughts = machine(x, ticks=3, record=True)
    expected = ctm.literal.from_model(machine)(x, ticks=3, record=True)
    torch.testing.assert_close(thoughts.logits, expected.logits)
    torch.testing.assert_close(thoughts.certainty, expected.certainty)
    answers, *_ = ctm.think(machine, x, until=1.0, max_ticks=3, batch=2)
    torch.testing.assert_close(answers, thoughts.at("most_certain"))
    for change in (baselines.lstm, baselines.without_neuron_models, baselines.without_synchronization):
        assert change(model).build().config.backbone == model.backbone


def test_every_example_is_short():
    assert len(FILES) == len(re.findall("```python", PAGES)) == 9
    for name, text in FILES.items():
        assert len(text.splitlines()) <= (40 if name == "my_task.py" else 30), name


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_trained(name, tmp_path, new_process):
    experiment = ctm.preset(str(write(tmp_path / name, FILES[name])))
    experiment = experiment.replace(model=experiment.model.replace(ticks=3))
    x = experiment.task.build().batch(0, 0, 3).inputs.double()
    check(experiment.model, x)
    training = experiment.training.replace(iterations=1, accelerator="cpu", batch_size=4)
    run = ctm.Run.create(tmp_path / "run", experiment.replace(training=training))
    new_process()
    opened = ctm.Run.open(run.path)
    train(opened, quiet=True)
    assert opened.load_model("last").config.to_dict() == experiment.model.to_dict()


def test_the_task_and_its_test(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "my_task.py", FILES["my_task.py"])
    loaded("test_my_task.py", tmp_path).test_larger()


def test_the_observer(tmp_path):
    observer = loaded("my_observer.py", tmp_path).Blend.Config()
    check(parity(observer=observer), torch.ones(3, 9, dtype=torch.float64))


def test_pictures_of_an_observer_that_asks_and_does_not_attend(tmp_path, capsys, monkeypatch):
    places = torch.rand(128, 2).numpy()  # UMAP takes its time to start
    monkeypatch.setattr("ctm.training.report.neuron_map", lambda activity: places)
    known = ctm.preset("parity/quick")
    training = known.training.replace(iterations=1, accelerator="cpu", batch_size=4)
    task = known.task.replace(evaluation_samples=4)
    model = parity(observer=loaded("my_observer.py", tmp_path).Blend.Config())
    run = ctm.Run.create(tmp_path / "run", known.replace(task=task, model=model, training=training))
    train(run, quiet=True)
    assert "neurons.png" in [path.name for path in report(run)]
    assert main(["think", str(run.path)]) == 0
    assert capsys.readouterr().out.startswith("answer: ")


def test_the_readout(tmp_path):
    readout = loaded("my_readout.py", tmp_path).Deep.Config(classes=3)
    check(parity(readout=readout), torch.ones(3, 9, dtype=torch.float64))


def test_certainty_of_ones_own(tmp_path, monkeypatch):
    readout = loaded("my_readout.py", tmp_path).Deep
    monkeypatch.setattr(readout, "certainty", lambda self, logits: logits.softmax(-1).amax(-1))
    check(parity(readout=readout.Config(classes=3)), torch.ones(3, 9, dtype=torch.float64))


def test_a_wrapped_module_is_copied_and_refused_by_runs(tmp_path):
    experiment = ctm.preset("digits")
    module = nn.Conv2d(1, 4, 3)
    model = experiment.model.replace(backbone=ctm.wrap(module, channels=4))
    first, second = model.build(), model.build()
    assert first.backbone.weight.equal(module.weight)
    assert len({id(part.weight) for part in (module, first.backbone, second.backbone)}) == 3
    check(model, torch.ones(3, 1, 8, 8, dtype=torch.float64))
    for made in (module, lambda: module):
        wrapped = experiment.model.replace(backbone=ctm.wrap(made, channels=4))
        with pytest.raises(ConfigError, match=r"^backbone\.make = .*: made by nothing that can be imported"):
            ctm.Run.create(tmp_path / "run", experiment.replace(model=wrapped))
    assert not (tmp_path / "run").exists()


def test_what_is_wrapped_makes_a_module():
    assert ctm.wrap(nn.Identity, channels=4).make == "torch.nn.modules.linear:Identity"
    assert type(ctm.wrap(nn.Identity, channels=4).build()) is nn.Identity
    with pytest.raises(ConfigError, match="made 3; expected a torch"):
        ctm.wrap(lambda: 3, channels=4).build()
    with pytest.raises(ConfigError, match="make = 'encoder': expected a module, or a function that makes one"):
        ctm.ModuleBackbone("encoder")
