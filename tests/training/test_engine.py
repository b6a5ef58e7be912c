"""Whatever happens to a run, it ends with the same bytes."""

import os
import random
import signal

import pytest
import torch

from ctm.tasks.parity import Parity
from ctm.training import Diverged, Multistep, NoClipping, Run, evaluate, train
from training.experiments import parity
from training.processes import everything, finish, start, wait_for

AT_THE_END = {"checkpoint_every": 1000, "evaluate_every": 1000}


def finished(path, experiment) -> Run:
    run = Run.create(path, experiment)
    assert train(run, quiet=True).signal is None
    return run


def test_a_run_killed_again_and_again_ends_as_if_it_never_was(tmp_path):
    experiment = parity(dropout=0.1, iterations=120, checkpoint_every=3)
    whole, killed = (Run.create(tmp_path / name, experiment) for name in ("whole", "killed"))
    draw = random.Random(0)
    for moment in (0, *sorted(draw.sample(range(1, 100), 5))):
        process = start(killed.path)
        wait_for(killed.path, moment)
        process.join(draw.uniform(0, 0.03))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert everything(finish(killed.path)) == everything(finish(whole.path))
    assert len(killed.checkpoints()) <= experiment.training.keep + 1


@pytest.fixture(name="undisturbed", scope="module")
def _undisturbed(tmp_path_factory):
    """A finished run, only to be read."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    return Run.open(finish(Run.create(path, parity(dropout=0.1, iterations=150, **AT_THE_END)).path))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_that_goes_on_exactly(tmp_path, undisturbed, number):
    stopped = Run.create(tmp_path / "stopped", undisturbed.experiment)
    process = start(stopped.path)
    wait_for(stopped.path, 10)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 128 + number
    assert 10 <= stopped.latest().iteration < 150
    assert everything(finish(stopped.path)) == everything(undisturbed.path)


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    run = finished(tmp_path / "run", parity())
    before = everything(run.path)
    outcome = train(Run.open(run.path), quiet=True)
    assert (outcome.iteration, outcome.interrupted) == (12, False)
    assert everything(run.path) == before


def test_a_finished_run_is_trained_longer_with_the_schedule_of_the_longer_run(tmp_path):
    run = finished(tmp_path / "run", parity(dropout=0.1))
    before = run.metrics()
    assert train(run.extended(20), quiet=True).iteration == 20
    lines = Run.open(run.path).complete_metrics()
    assert lines[: len(before)] == before  # with the scores of the old end
    assert [line["iteration"] for line in lines if line.get("split") == "test"] == [12, 12, 20, 20]
    config = parity(iterations=20).training
    rates = {line["iteration"]: line["learning_rate"] for line in lines[len(before) :] if "split" not in line}
    expected = {step: config.schedule.learning_rate(step - 1, 20, 1e-2) for step in (14, 16, 18, 20)}
    assert rates == pytest.approx(expected, rel=1e-12)
    assert [checkpoint.iteration for checkpoint in run.checkpoints()][-1] == 20


def test_with_a_schedule_without_an_end_an_extended_run_is_the_longer_one(tmp_path):
    settings = {"dropout": 0.1, "schedule": Multistep(warmup=2, milestones=(15,))}
    whole = finished(tmp_path / "whole", parity(iterations=18, **settings))
    run = finished(tmp_path / "run", parity(iterations=12, **settings))
    train(run.extended(18), quiet=True)
    there, expected = everything(run.path), everything(whole.path)
    assert all(there[name] == expected[name] for name in ("model.safetensors", "training.safetensors"))
    lines = [line for line in run.metrics() if (line.get("split"), line["iteration"]) != ("test", 12)]
    assert lines == whole.metrics()


def test_a_run_that_is_killed_while_it_is_trained_longer_ends_with_the_same_bytes(tmp_path):
    whole, killed = (finished(tmp_path / name, parity(dropout=0.1)) for name in ("whole", "killed"))
    for run in (whole, killed):
        run.extended(100)
    for moment in (12, 40):
        process = start(killed.path)
        wait_for(killed.path, moment)
        process.kill()
        process.join()
    assert everything(finish(killed.path)) == everything(finish(whole.path))


def test_what_is_logged_when(tmp_path):
    run = finished(tmp_path / "run", parity(iterations=7, log_every=3, evaluate_every=5))
    assert [line["iteration"] for line in run.metrics() if "split" not in line] == [3, 6, 7]
    assert [line["iteration"] for line in run.metrics() if line.get("split") == "validation"] == [0, 5, 7]
    fields = {"iteration", "loss", "certainty", "accuracy", "whole_accuracy", "learning_rate", "gradient_norm"}
    assert all(line.keys() == fields for line in run.metrics() if "split" not in line)


def test_the_test_split_is_looked_at_once_at_the_end(tmp_path):
    run = finished(tmp_path / "run", parity(iterations=7, evaluate_every=1))
    tested = [line for line in run.metrics() if line.get("split") == "test"]
    assert [(line["iteration"], line["checkpoint"]) for line in tested] == [(7, "last"), (7, "best")]
    task = run.experiment.task.build()
    for line in tested:
        scores = evaluate(run.load_model(line["checkpoint"]), task, "test")
        assert line["loss"] == pytest.approx(scores["loss"], abs=1e-6)


@pytest.mark.parametrize(("best", "passes"), [("last", 1), ("first", 2)])
def test_the_same_weights_are_tested_once(tmp_path, monkeypatch, best, passes):
    def counted(model, task, split, *others):
        seen.append(split)
        return evaluate(model, task, split, *others) | {
            task.primary_metric: len(seen) * (1.0 if best == "last" else -1.0)
        }

    seen = []
    monkeypatch.setattr("ctm.training.supervised.evaluate", counted)
    run = finished(tmp_path / "run", parity(iterations=1))
    assert seen.count("test") == passes
    last, first = (line for line in run.metrics() if line.get("split") == "test")
    assert (last.pop("checkpoint"), first.pop("checkpoint")) == ("last", "best")
    assert (last == first) == (passes == 1)


def test_the_training_seed_varies_the_pairs_unless_they_have_a_seed_of_their_own(tmp_path):
    def pairs(seed: int, own: int | None) -> list[int]:
        experiment = parity(iterations=1, seed=seed)
        experiment = experiment.replace(model=experiment.model.replace(seed=own))
        return finished(tmp_path / f"{seed}-{own}", experiment).load_model().output.left.tolist()

    assert pairs(0, None) != pairs(1, None)
    assert pairs(0, 3) == pairs(1, 3) != pairs(2, 4)


def test_it_learns(tmp_path):
    run = finished(tmp_path / "run", parity(iterations=120, batch_size=32, **AT_THE_END))
    losses = [line["loss"] for line in run.metrics() if line.get("split") == "validation"]
    assert losses[-1] < 0.75 * losses[0]


def test_training_leaves_the_callers_random_state_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    finished(tmp_path / "run", parity(dropout=0.1, iterations=2))
    assert torch.equal(torch.rand(3), expected)


def test_another_seed_is_another_run(tmp_path):
    first, second = (finished(tmp_path / str(seed), parity(iterations=2, seed=seed)) for seed in (0, 1))
    assert everything(first.path) != everything(second.path)


def test_evaluation_does_not_disturb_training(tmp_path):
    runs = [
        finished(tmp_path / str(every), parity(dropout=0.1, evaluate_every=every, checkpoint_every=12))
        for every in (1, 1000)
    ]
    often, seldom = (everything(run.path) for run in runs)
    assert often["model.safetensors"] == seldom["model.safetensors"]
    assert often["training.safetensors"] == seldom["training.safetensors"]


def test_micro_batches_make_the_same_step(tmp_path):
    whole, parts = (finished(tmp_path / str(n), parity(accumulate=n)) for n in (1, 4))
    for one, other in zip(whole.metrics(), parts.metrics(), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-5)
        assert other["accuracy"] == pytest.approx(one["accuracy"], abs=1e-5)


def test_the_loss_of_a_diverged_run_is_never_saved(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", parity(log_every=100, evaluate_every=100))
    loss = Parity.loss
    steps = []

    def broken(self, thoughts, targets):
        steps.extend([1] * thoughts.logits.requires_grad)
        return loss(self, thoughts, targets) * (float("nan") if len(steps) == 5 else 1)

    monkeypatch.setattr(Parity, "loss", broken)
    with pytest.raises(Diverged, match=r"not finite at step 5; the last good checkpoint is .*00000003; try"):
        train(run, quiet=True)
    assert run.latest().iteration == 3


def test_weights_that_are_not_finite_are_never_saved(tmp_path, monkeypatch):
    loss = Parity.loss

    def steep(self, thoughts, targets):
        """The same loss, with an infinite gradient."""
        value = loss(self, thoughts, targets)
        return value + (value - value.detach()).sqrt()

    monkeypatch.setattr(Parity, "loss", steep)
    run = Run.create(tmp_path / "run", parity(checkpoint_every=1, clipping=NoClipping()))
    with pytest.raises(Diverged, match="not finite at step 1"):
        train(run, quiet=True)
    assert run.latest().iteration == 0


def test_bf16_trains_fp32_weights(tmp_path):
    run = finished(tmp_path / "run", parity(precision="bf16"))
    assert {p.dtype for p in run.load_model("last").parameters()} == {torch.float32}
    exact = finished(tmp_path / "exact", parity()).metrics()
    for line, other in zip(run.metrics(), exact, strict=True):
        assert line["loss"] == pytest.approx(other["loss"], abs=0.02)
        assert line["loss"] != other["loss"]
