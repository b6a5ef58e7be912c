import pytest
import torch

from ctm import tasks
from ctm.registry import preset, presets
from ctm.training import Run, train

tasks.load()
NAMES = [name for name in presets() if name == "control" or name.split("/")[0] in ("cartpole", "acrobot", "four-rooms")]


def test_there_are_the_papers_agents_and_small_ones():
    kinds = {name.split("/")[0] for name in NAMES}
    assert kinds == {"control", "cartpole", "acrobot", "four-rooms"}
    assert len(NAMES) == 16 + 6


@pytest.mark.parametrize("name", NAMES)
def test_presets_are_made_for_their_environments(name):
    """Fitting changes nothing, and the model takes what is seen."""
    experiment = preset(name)
    assert experiment.fitted() == experiment
    model = experiment.model.build().eval()
    with torch.no_grad():
        answers = model(experiment.task.example(2)).logits
    assert answers.shape == (2, experiment.model.ticks, experiment.model.readout.actions + 1)


@pytest.mark.parametrize("name", ["control", "cartpole/quick-lstm", "four-rooms/quick"])
def test_small_presets_train(tmp_path, name):
    experiment = preset(name)
    training = experiment.training.replace(iterations=1, environments=4, steps=4, epochs=1, accelerator="cpu")
    environment = experiment.task.environment.replace(time_limit=5)
    task = experiment.task.replace(environment=environment, episodes=1, test_episodes=1)
    run = Run.create(tmp_path / "run", experiment.replace(task=task, training=training))
    assert train(run, quiet=True).signal is None
    assert run.metrics()[-1]["episodes"] == 1
