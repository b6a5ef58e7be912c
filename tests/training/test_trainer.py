import os
import signal

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision import MixedPrecision

import ctm
from ctm.inputs import tree_map
from ctm.training import Run, train
from ctm.training.devices import launch
from ctm.training.trainer import Trainer
from training.experiments import parity


def trainer(**training) -> Trainer:
    experiment = parity(**training)
    return Trainer(experiment, experiment.task.build(), launch(experiment.training))


def test_weights_are_those_of_the_seed():
    first, again, other = (dict(trainer(seed=seed).model.named_parameters()) for seed in (0, 0, 1))
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not all(torch.equal(other[name], tensor) for name, tensor in first.items())


def test_a_step_measures_only_when_asked():
    taught = trainer()
    assert taught.step(measure=False) is None
    assert taught.step(measure=True)["learning_rate"] == 0.005
    assert taught.iteration == 2


def test_recomputing_learns_the_same(tmp_path):
    runs = {
        again: Run.create(tmp_path / str(again), parity(iterations=3, recompute=again, dropout=0.2))
        for again in (False, True)
    }
    for run in runs.values():
        train(run, quiet=True)
    plain, again = (run.load_model("last").state_dict() for run in runs.values())
    assert plain.keys() == again.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(again[name], weight, msg=name)


def test_random_numbers_of_ticks():
    """From the least number to the model's, the same for the same seed and iteration."""

    def thought(taught, steps):
        ticks = []
        loss = taught.task.loss
        taught.task.loss = lambda thoughts, targets: ticks.append(thoughts.ticks) or loss(thoughts, targets)
        for _ in range(steps):
            taught.step(measure=False)
        return ticks

    drawn = thought(trainer(least_ticks=2), 30)
    assert set(drawn) == {2, 3, 4}
    assert thought(trainer(least_ticks=2), 5) == drawn[:5]
    assert thought(trainer(), 3) == [4, 4, 4]


def test_parameters_that_never_had_a_gradient_are_saved_and_restored(tmp_path):
    """Such as all of them before the first step."""
    run = Run.create(tmp_path / "run", parity(iterations=2))
    train(run, quiet=True)
    taught = Trainer(run.experiment, run.experiment.task.build(), launch(run.experiment.training))
    assert not any(tensor.any() for name, tensor in taught.tensors().items() if name.startswith("exp_avg"))
    taught.restore(run.latest(), run.latest().state())
    assert taught.iteration == 2


@pytest.mark.parametrize("name", ["digits", "parity/quick", "sort/quick", "qamnist/quick"])
def test_thinking_and_learning_never_wait_for_the_device(name):
    """Where tensors have no values, whatever uses_query for one is refused."""
    experiment = ctm.preset(name)
    model, task = experiment.model.build().to("meta"), experiment.task.build()
    inputs, targets = tree_map(lambda tensor: tensor.to("meta"), tuple(task.batch(0, 0, 4)))
    task.loss(model(inputs), targets).backward()
    assert all(parameter.grad.is_meta for parameter in model.parameters())


def scaled(monkeypatch, scale: float) -> None:
    """Lets fp16 with loss scaling train on the CPU."""

    def launch_fp16(plan):
        scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=5)
        return Fabric(accelerator="cpu", plugins=MixedPrecision("16-mixed", "cpu", scaler))

    monkeypatch.setattr("ctm.training.engine.launch", launch_fp16)


def test_fp16_skips_steps_that_overflow_and_goes_on_exactly(tmp_path, monkeypatch):
    whole, stopped = (Run.create(tmp_path / name, parity(iterations=24)) for name in ("whole", "stopped"))
    scaled(monkeypatch, 2.0**24)
    train(whole, quiet=True)
    steps = whole.latest().tensors("training.safetensors", trainer().tensors())["step.readout.linear.bias"]
    assert 0 < steps < 24
    assert whole.latest().state()["scaler"]["scale"] < 2.0**24
    _stop_after(monkeypatch, 9)
    assert train(stopped, quiet=True).interrupted
    monkeypatch.undo()
    scaled(monkeypatch, 2.0**24)
    train(stopped, quiet=True)
    assert (stopped.path / "metrics.jsonl").read_bytes() == (whole.path / "metrics.jsonl").read_bytes()


def _stop_after(monkeypatch, iteration: int) -> None:
    step = Trainer.step

    def signalled(self, measure):
        if self.iteration + 1 == iteration:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, measure)

    monkeypatch.setattr(Trainer, "step", signalled)
