import shutil
import signal

import pytest
import torch

from control.agents import cartpole, machine
from ctm.control.environments import EnvironmentConfig
from ctm.errors import ConfigError, RunError
from ctm.running import RunningNorm
from ctm.tasks.control import Control
from ctm.training import AdamW, Run, train
from ctm.training.checkpoint import read_tensors
from ctm.training.devices import launch
from ctm.training.ppo import PPOTrainer
from training.experiments import parity
from training.processes import everything, finish, start, wait_for


def finished(path, experiment):
    run = Run.create(path, experiment)
    train(run, quiet=True)
    return run


def same_end(one, other):
    for name in ("model.safetensors", "training.safetensors"):
        mine, others = (read_tensors(run.latest().path / name, "") for run in (one, other))
        assert mine.keys() == others.keys()
        for key, tensor in mine.items():
            assert torch.equal(tensor, others[key]), key
    return one.metrics() == other.metrics()


@pytest.mark.parametrize("core", ["neurons", "lstm"])
def test_a_run_goes_on_exactly_from_any_checkpoint(tmp_path, core):
    """In the middle of episodes, right after a restart, and with the statistics of rewards and of finished episodes."""
    whole = finished(tmp_path / "whole", cartpole(core, time_limit=6, steps=4, evaluate_every=5))
    for iteration in (0, 1, 3, 4, 5):
        path = tmp_path / str(iteration)
        shutil.copytree(whole.path, path)
        for later in range(iteration + 1, 7):
            shutil.rmtree(path / "checkpoints" / f"{later:08d}")
        again = Run.open(path)
        train(again, quiet=True)
        assert same_end(whole, again)


def test_a_signal_stops_a_run_that_goes_on_exactly(tmp_path):
    rare = {"evaluate_every": 80, "checkpoint_every": 80, "restart_every": 30}
    experiment = cartpole(iterations=80, epochs=1, **rare)
    whole, stopped = (Run.create(tmp_path / name, experiment) for name in ("whole", "stopped"))
    process = start(stopped.path)
    wait_for(stopped.path, 10)
    process.terminate()
    process.join(60)
    assert process.exitcode == 128 + signal.SIGTERM
    assert 10 <= stopped.latest().iteration < 80
    assert everything(finish(stopped.path)) == everything(finish(whole.path))


def test_another_seed_is_another_run(tmp_path):
    one, other = (finished(tmp_path / str(seed), cartpole(iterations=2, seed=seed)) for seed in (0, 1))
    assert one.metrics() != other.metrics()


def test_lines_have_what_curves_need(tmp_path):
    run = finished(tmp_path / "run", cartpole())
    lines = run.metrics()
    step = next(line for line in lines if "split" not in line)
    names = ("loss", "policy_loss", "value_loss", "entropy", "clipped", "divergence", "gradient_norm", "learning_rate")
    assert {*names, "return", "length", "episodes", "iteration"} == step.keys()
    splits = [(line["split"], line["iteration"]) for line in lines if "split" in line]
    assert splits == [("validation", 0), ("validation", 3), ("validation", 6), ("test", 6), ("test", 6)]
    assert {line["episodes"] for line in lines if line.get("split") == "test"} == {4}


def test_an_agent_learns_to_remember(tmp_path):
    """What it saw three steps ago decides what is right now, which without a state is a guess."""
    experiment = cartpole(
        iterations=12,
        environments=64,
        steps=4,
        epochs=6,
        optimizer=AdamW(1e-2, epsilon=1e-5),
        entropy_weight=0.01,
        evaluate_every=12,
        checkpoint_every=12,
    )
    task = Control.Config(EnvironmentConfig("Remembered-v0"), 40, 40)
    run = finished(tmp_path / "run", experiment.replace(task=task, model=machine(features=1, ticks=1)))
    returns = [line["return"] for line in run.metrics() if line.get("split") == "validation"]
    assert returns[0] < 0.8
    assert returns[-1] > 0.95


def test_an_update_is_the_gradient_of_the_objective():
    """One minibatch of everything, against a step of the optimiser worked out by hand."""
    experiment = cartpole(time_limit=5, epochs=1, minibatches=1, steps=9)
    trainer = PPOTrainer(experiment, experiment.task.build(), launch(experiment.training))
    twin = PPOTrainer(experiment, experiment.task.build(), launch(experiment.training))
    rollout = twin._collect()
    policies, values = twin._model(rollout.observations, rollout.started, rollout.state)
    gamma, trace = 0.99, 0.95
    following, advantage = rollout.values[1:], torch.zeros(4)
    advantages = torch.zeros(9, 4)
    for step in reversed(range(9)):
        ended = rollout.terminated[step] | rollout.truncated[step]
        delta = rollout.rewards[step] + gamma * following[step] * ~rollout.terminated[step] - rollout.values[step]
        advantage = delta + gamma * trace * advantage * ~ended
        advantages[step] = advantage
    counts = rollout.counts
    assert not counts.all()
    chosen = policies.log_softmax(-1).gather(-1, rollout.actions.unsqueeze(-1)).squeeze(-1)[counts]
    gained = (advantages[counts] - advantages[counts].mean()) / (advantages[counts].std() + 1e-8)
    ratio = (chosen - rollout.log_probabilities[counts]).exp()
    entropy = -(policies.exp() / policies.exp().sum(-1, keepdim=True) * policies.log_softmax(-1)).sum(-1)[counts]
    returns = (advantages + rollout.values[:-1])[counts]
    error = (values[counts] - returns).square().mean()
    loss = -(gained * ratio).mean() + 0.25 * 0.5 * error - 0.1 * entropy.mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(twin.model.parameters(), 0.5)
    optimizer = torch.optim.Adam(twin.model.parameters(), experiment.training.optimizer.learning_rate, eps=1e-5)
    optimizer.step()
    metrics = trainer.step(measure=True)
    assert metrics["loss"] == pytest.approx(loss.item(), abs=1e-5)
    for (name, mine), other in zip(trainer.model.named_parameters(), twin.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_the_authors_treatment_of_truncation_expects_nothing_after_it(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "ctm.training.ppo.generalised_advantages",
        lambda *arguments: asked.append(arguments[-1]) or torch.zeros_like(arguments[0]),
    )
    for truncation in ("bootstrap", "terminal"):
        experiment = cartpole(truncation=truncation)
        PPOTrainer(experiment, experiment.task.build(), launch(experiment.training)).step(measure=False)
    assert asked == [True, False]


def test_a_task_and_a_way_to_learn_that_do_not_fit_are_refused():
    acting = cartpole()
    with pytest.raises(ConfigError, match=r"training.kind = 'supervised': the task 'control' has no samples"):
        acting.replace(training=parity().training)
    with pytest.raises(ConfigError, match=r"training.kind = 'ppo': the task 'parity' has no environment"):
        parity().replace(training=acting.training)
    with pytest.raises(ConfigError, match=r"model.readout.kind = 'classes': to act takes an 'actor_critic'"):
        acting.replace(model=parity().model)


@pytest.mark.parametrize(
    ("name", "value"),
    [("environments", 6), ("steps", 0), ("discount", 1.5), ("clip", 0.0), ("entropy_weight", -1.0), ("minibatches", 3)],
)
def test_settings_that_cannot_work_are_refused(name, value):
    with pytest.raises(ConfigError, match="environments|" + name):
        cartpole(**{"minibatches": 4, name: value})


def test_an_environment_that_is_not_deterministic_is_not_gone_on_with(tmp_path):
    """Its observations after the same actions are compared with those of the checkpoint."""
    run = finished(tmp_path / "run", cartpole(iterations=2))
    file = run.latest().path / "training.safetensors"
    tensors = read_tensors(file, "")
    tensors["rollouts.observations"] += 1
    from safetensors.torch import save_file

    save_file(tensors, file)
    with pytest.raises(RunError, match="CartPole-v1"):
        train(run.extended(3), quiet=True)


def test_observations_are_counted_in_after_each_iteration_and_saved(tmp_path):
    """In units of what was seen before it, so that the policy that learns is the one that acted."""
    experiment = cartpole(iterations=2, time_limit=50)
    model = experiment.model.replace(backbone=experiment.model.backbone.replace(normalised=True))
    run = finished(tmp_path / "run", experiment.replace(model=model))
    (norm,) = [module for module in run.load_model("last").modules() if isinstance(module, RunningNorm)]
    count, mean, variance = norm.statistics
    assert count.tolist() == [1 + 2 * 4 * 6] * 4
    assert mean[1] == mean[3] == 0  # masked
    assert variance[0] < 1
    first = next(line for line in run.metrics() if "split" not in line)
    assert first["divergence"] < 0.05


def test_two_processes_act_each_in_environments_of_its_own_and_go_on_exactly(tmp_path):
    whole, again = tmp_path / "whole", tmp_path / "again"
    Run.create(whole, cartpole(iterations=3, devices=2, evaluate_every=3))
    finish(whole)
    shutil.copytree(whole, again)
    for later in (2, 3):
        shutil.rmtree(again / "checkpoints" / f"{later:08d}")
    finish(again)
    assert same_end(Run.open(whole), Run.open(again))
    lives = read_tensors(Run.open(whole).latest().path / "training.safetensors", "")["rollouts.observations"]
    assert lives.shape == (2, 2, 4)  # processes, environments of each
    assert not torch.equal(*lives)


def test_with_less_memory_it_learns_the_same(tmp_path):
    runs = [finished(tmp_path / str(on), cartpole(iterations=2, recompute=on)) for on in (True, False)]
    lines = [[line for line in run.metrics() if "split" not in line] for run in runs]
    for line, expected in zip(*lines, strict=True):
        assert line == pytest.approx(expected, abs=1e-4)


def test_bf16_learns_with_fp32_weights(tmp_path):
    run = finished(tmp_path / "run", cartpole(iterations=2, precision="bf16"))
    assert {tensor.dtype for tensor in run.load_model("last").parameters()} == {torch.float32}
    losses = [line["loss"] for line in run.metrics() if "split" not in line]
    exact = [line["loss"] for line in finished(tmp_path / "exact", cartpole(iterations=2)).metrics() if "loss" in line]
    assert losses != exact
    assert losses == pytest.approx(exact, abs=0.5)
