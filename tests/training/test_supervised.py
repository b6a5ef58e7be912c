import json
import os
import signal

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision import MixedPrecision

import ctm
from ctm.inputs import slice_batch, tree_map
from ctm.tasks import Batch
from ctm.training import AdamW, Multistep, NoClipping, NormClipping, Run, RunError, train
from ctm.training.devices import launch
from ctm.training.supervised import SupervisedTrainer
from training.experiments import parity


class Descent(AdamW):
    """Plain gradient descent: unlike those of AdamW, its steps are as large as the gradients."""

    def build(self, model):
        return torch.optim.SGD(model.parameters(), self.learning_rate)


def trainer(fabric: Fabric | None = None, **training) -> SupervisedTrainer:
    experiment = parity(**training)
    return SupervisedTrainer(experiment, experiment.task.build(), fabric or launch(experiment.training))


def descent(fabric: Fabric | None = None, **training) -> torch.Tensor:
    """How far the first step moves the weights, flat, at a learning rate of 1: the gradient that the optimiser got."""
    taught = trainer(fabric, optimizer=Descent(1.0), schedule=Multistep(), **{"clipping": NoClipping(), **training})
    before = torch.nn.utils.parameters_to_vector(taught.model.parameters()).detach().clone()
    taught.step(measure=False)
    return before - torch.nn.utils.parameters_to_vector(taught.model.parameters()).detach()


def test_gradients_are_clipped_before_they_are_used():
    free, clipped = descent(), descent(clipping=NormClipping(1e-3))
    assert free.norm() > 1e-2
    torch.testing.assert_close(clipped, free * (1e-3 / free.norm()), atol=1e-6, rtol=1e-3)


def test_micro_batches_have_the_gradient_of_the_whole_batch():
    torch.testing.assert_close(descent(accumulate=4), descent(), atol=1e-6, rtol=1e-4)


def test_scaled_gradients_are_clipped_at_their_true_size():
    norm = descent(half_precision(2.0**10), clipping=NormClipping(1e-2)).norm()
    assert norm.item() == pytest.approx(1e-2, rel=0.01)


def test_a_batch_is_that_of_the_seed_and_the_iteration():
    taught = trainer(seed=3)
    asked, batch = [], taught.task.batch
    taught.task.batch = lambda *arguments: asked.append(arguments) or batch(*arguments)
    for _ in range(2):
        taught.step(measure=False)
    assert asked == [(3, 0, 8), (3, 1, 8)]


def test_every_iteration_process_and_micro_batch_drops_other_entries(monkeypatch):
    """Of the same samples, with the same weights."""
    monkeypatch.setattr(Fabric, "world_size", 2)
    seen = []
    for rank, seed in ((0, 0), (1, 0), (0, 1)):
        monkeypatch.setattr(Fabric, "global_rank", rank)
        torch.manual_seed(0)
        taught = trainer(dropout=0.5, accumulate=2, optimizer=Descent(1e-30), schedule=Multistep(), seed=seed)
        taught.model.load_state_dict(trainer(dropout=0.5).model.state_dict())
        batch, loss = slice_batch(taught.task.batch(0, 0, 1), 0, 1), taught.task.loss
        taught.task.batch = lambda *_, batch=batch: Batch(*(part.repeat(8, 1) for part in batch))
        taught.task.loss = lambda thoughts, targets, loss=loss: (
            seen.append(thoughts.logits.detach()) or loss(thoughts, targets)
        )
        for _ in range(2):
            taught.step(measure=False)
    assert len(seen) == len(torch.stack(seen).flatten(1).unique(dim=0)) == 12


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


def test_batch_normalisation_is_synchronized_where_it_is_asked_for():
    """One process learns the same: what several of them do needs GPUs."""

    def taught(synchronize: bool) -> SupervisedTrainer:
        experiment = ctm.preset("digits")
        settings = {"accelerator": "cpu", "batch_size": 8, "synchronize_batch_norm": synchronize}
        experiment = experiment.replace(training=experiment.training.replace(**settings))
        return SupervisedTrainer(experiment, experiment.task.build(), launch(experiment.training))

    plain, synchronized = taught(False), taught(True)
    for _ in range(2):
        assert synchronized.step(measure=True) == plain.step(measure=True)
    norms = [module for module in synchronized.model.modules() if isinstance(module, torch.nn.SyncBatchNorm)]
    assert len(norms) == len(plain.model.config.backbone.widths)
    weights = plain.model.state_dict()
    for name, tensor in synchronized.model.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


def thought(taught, steps):
    """For how many ticks a trainer lets its model think in each of some steps."""
    ticks = []
    loss = taught.task.loss
    taught.task.loss = lambda thoughts, targets: ticks.append(thoughts.ticks) or loss(thoughts, targets)
    for _ in range(steps):
        taught.step(measure=False)
    return ticks


def test_random_numbers_of_ticks():
    """From the least number to the model's, the same for the same seed and iteration."""
    drawn = thought(trainer(least_ticks=2, iterations=30), 30)
    assert set(drawn) == {2, 3, 4}
    assert thought(trainer(least_ticks=2, iterations=30), 5) == drawn[:5]
    assert thought(trainer(), 3) == [4, 4, 4]


def test_growing_numbers_of_ticks():
    """Evenly from the least number, and the model's from the last of these iterations on, whatever the seed."""
    for seed in (0, 1):
        assert thought(trainer(least_ticks=2, ticks_grow_for=4, iterations=30, seed=seed), 6) == [2, 2, 3, 3, 4, 4]


def test_parameters_that_never_had_a_gradient_are_saved_and_restored(tmp_path):
    """Such as all of them before the first step."""
    run = Run.create(tmp_path / "run", parity(iterations=2))
    train(run, quiet=True)
    taught = SupervisedTrainer(run.experiment, run.experiment.task.build(), launch(run.experiment.training))
    assert not any(tensor.any() for name, tensor in taught.tensors().items() if name.startswith("exp_avg"))
    taught.restore(run.latest(), run.latest().state())
    assert taught.iteration == 2


@pytest.mark.parametrize("name", ["digits", "parity/quick", "sort/quick", "qamnist/quick"])
def test_thinking_and_learning_never_wait_for_the_device(name):
    """Where tensors have no values, whatever asks for one is refused."""
    experiment = ctm.preset(name)
    model, task = experiment.model.build().to("meta"), experiment.task.build()
    inputs, targets = tree_map(lambda tensor: tensor.to("meta"), tuple(task.batch(0, 0, 4)))
    task.loss(model(inputs), targets).backward()
    assert all(parameter.grad.is_meta for parameter in model.parameters())


def half_precision(scale: float) -> Fabric:
    """fp16 with loss scaling, on the CPU."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=5)
    return Fabric(accelerator="cpu", plugins=MixedPrecision("16-mixed", "cpu", scaler))


def scaled(monkeypatch, scale: float) -> None:
    """Lets fp16 with loss scaling train on the CPU."""
    monkeypatch.setattr("ctm.training.engine.launch", lambda plan: half_precision(scale))


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


@pytest.mark.parametrize("scaler", [{}, {"scale": 2.0}])
def test_a_loss_scaler_that_is_none_is_named(tmp_path, monkeypatch, scaler):
    scaled(monkeypatch, 2.0**10)
    run = Run.create(tmp_path / "run", parity(iterations=1))
    train(run, quiet=True)
    path = run.latest().path / "state.json"
    path.write_text(json.dumps(run.latest().state() | {"scaler": scaler}))
    with pytest.raises(RunError, match=r"state.json: scaler does not fit training.precision"):
        train(run, quiet=True)


def _stop_after(monkeypatch, iteration: int) -> None:
    step = SupervisedTrainer.step

    def signalled(self, measure):
        if self.iteration + 1 == iteration:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, measure)

    monkeypatch.setattr(SupervisedTrainer, "step", signalled)
