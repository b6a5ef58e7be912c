"""Comparisons stop, go on and fail like the runs they are made of."""

import os
import signal
import subprocess
import sys
import threading

import pytest

import ctm
from ctm import ConfigError
from ctm.baselines import lstm
from ctm.comparison import comparison as side_by_side
from ctm.comparison.comparison import Comparison, compare, finished
from ctm.tasks import DataError
from ctm.tasks.images import Images
from ctm.tasks.parity import Parity
from ctm.training import AdamW, Run, RunError
from training.experiments import parity
from training.processes import everything, wait_for, wait_until_free


def experiments(**training):
    plain = parity(**training)
    return {
        "plain/one": plain,
        "lstm": plain.replace(model=lstm(plain.model), task=plain.task.replace(loss=ctm.TwoTickLoss("last"))),
    }


def contents(comparison):
    return {key: everything(run.path) for key, run in comparison.runs.items()}


def test_every_model_with_every_seed(tmp_path):
    comparison = Comparison(tmp_path, experiments(iterations=2), seeds=(0, 3))
    assert list(comparison.runs) == [("plain/one", 0), ("lstm", 0), ("plain/one", 3), ("lstm", 3)]
    assert comparison.primary_metric == "whole_accuracy"
    assert comparison.of("lstm") == {}
    seen = []
    outcome = compare(comparison, quiet=True, after_each=lambda: seen.append(len(comparison.of("lstm"))))
    assert outcome == (None, [])
    assert seen == [0, 1, 1, 2]
    assert comparison.of("lstm").keys() == {0, 3}
    alone = Run.open(tmp_path / "plain-one" / "seed-3")
    assert alone.experiment == parity(seed=3, iterations=2)
    assert finished(alone)


def test_what_is_finished_is_left_alone(tmp_path, monkeypatch):
    first = Comparison(tmp_path, experiments(iterations=2), seeds=(0,))
    compare(first, quiet=True)
    before = contents(first)
    monkeypatch.setattr("ctm.comparison.comparison.train", None)  # not even asked to
    again = Comparison(tmp_path, experiments(iterations=2), seeds=(0,))
    assert compare(again, quiet=True) == (None, [])
    assert contents(again) == before
    assert set(Comparison(tmp_path, experiments(iterations=2), seeds=(0, 1)).runs) > set(again.runs)


def test_a_stopped_comparison_goes_on_as_if_it_never_was(tmp_path, monkeypatch):
    whole, stopped = (Comparison(tmp_path / name, experiments(), seeds=(0,)) for name in ("whole", "stopped"))
    compare(whole, quiet=True)
    batch = Parity.batch

    def interrupting(self, seed, iteration, size):
        if iteration == 5 and finished(stopped.runs["plain/one", 0]):
            signal.raise_signal(signal.SIGINT)
        return batch(self, seed, iteration, size)

    with monkeypatch.context() as patched:
        patched.setattr(Parity, "batch", interrupting)
        assert compare(stopped, quiet=True) == (signal.SIGINT, [])
    assert stopped.runs["lstm", 0].latest().iteration == 6
    assert compare(Comparison(tmp_path / "stopped", experiments(), seeds=(0,)), quiet=True) == (None, [])
    assert contents(stopped) == contents(whole)


def test_runs_side_by_side_end_stop_and_fail(tmp_path, monkeypatch, capsys):
    """In processes of their own; the signal comes to this one, when one has ended, one has failed and one goes on."""
    endless = {"iterations": 100_000, "checkpoint_every": 100_000, "evaluate_every": 100_000}
    models = {"short": parity(iterations=2), "long": parity(**endless), "broken": parity()}
    comparison = Comparison(tmp_path, models, seeds=(0,))
    short, long, broken = comparison.runs.values()
    (broken.path / "config.yaml").write_text("{")
    start, processes, seen = side_by_side._start, {}, []

    def recorded(run, environment):
        return processes.setdefault(run.path, start(run, environment))

    def interrupt():
        wait_for(long.path, 4)
        processes[short.path].wait()
        processes[broken.path].wait()
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(side_by_side, "_start", recorded)
    threading.Thread(target=interrupt).start()
    outcome = compare(comparison, jobs=3, after_each=lambda: seen.append(len(comparison.of("short"))))
    assert outcome.signal == signal.SIGINT
    assert seen == [1]
    (failure,) = outcome.failures
    assert failure.startswith(f"{broken.path}: {broken.path / 'config.yaml'}: not YAML")
    assert 4 <= long.latest().iteration < 100_000
    assert "go on with" in (long.path / "log.txt").read_text()
    assert f"2 of 3: {long.path}, see {long.path / 'log.txt'}\n" in capsys.readouterr().out
    alone = Comparison(tmp_path / "alone", {"short": models["short"]}, seeds=(0,))
    compare(alone, quiet=True)
    assert contents(alone)["short", 0] == everything(short.path)


def test_runs_end_with_whoever_started_them(tmp_path):
    """A killed parent tells nobody; its run saves and stops all the same."""
    program = f"""
from pathlib import Path
from ctm.comparison.comparison import Comparison, compare
from training.experiments import parity
models = {{"one": parity(iterations=9000, checkpoint_every=9000, evaluate_every=9000)}}
compare(Comparison(Path({str(tmp_path)!r}), models, seeds=(0,)), jobs=2, quiet=True)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    parent = subprocess.Popen([sys.executable, "-c", program], env=environment)
    path = tmp_path / "one" / "seed-0"
    try:
        wait_for(path, 4)
    finally:
        parent.kill()
        parent.wait()
    wait_until_free(path)
    assert 4 <= Run.open(path).latest().iteration < 9000


def test_one_that_is_broken_does_not_stop_the_others(tmp_path):
    models = {**experiments(iterations=2), "broken": parity()}
    comparison = Comparison(tmp_path, models, seeds=(0,))
    state = comparison.runs["broken", 0].path / "checkpoints" / "00000001" / "state.json"
    state.parent.mkdir()
    state.write_text("{")
    (failure,) = compare(comparison, quiet=True).failures
    assert failure.startswith(f"{tmp_path / 'broken' / 'seed-0'}: {state}: broken checkpoint")
    assert len(comparison.of("lstm")) == len(comparison.of("plain/one")) == 1


def test_one_that_diverges_does_not_stop_the_others(tmp_path, capsys):
    models = {"steep": parity(iterations=8, optimizer=AdamW(learning_rate=1e36)), **experiments(iterations=2)}
    comparison = Comparison(tmp_path, models, seeds=(0,))
    outcome = compare(comparison)
    (failure,) = outcome.failures
    assert "steep/seed-0: the loss is not finite" in failure
    assert (comparison.of("steep"), len(comparison.of("lstm"))) == ({}, 1)
    assert f"2 of 3: {tmp_path / 'plain-one' / 'seed-0'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda models: {}, ConfigError, "compare: name the presets"),
        (lambda models: models | {"plain-one": parity()}, ConfigError, "plain/one: another model has a folder"),
        (lambda models: models | {"sort": ctm.preset("sort/quick")}, ConfigError, "sort: its task is not that of"),
        (lambda models: models | {"two": parity(devices=2)}, ConfigError, "two: training.devices"),
        (
            lambda models: {"mnist": ctm.preset("mnist").replace(task=Images.Config(data="nowhere"))},
            DataError,
            "nowhere: no such folder",
        ),
    ],
)
def test_what_cannot_be_compared_leaves_nothing_behind(tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        Comparison(tmp_path, change(experiments()), seeds=(0,))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seeds", [(), (1, 1)])
def test_seeds_are_different(tmp_path, seeds):
    with pytest.raises(ConfigError, match=r"seeds = \[.*\]: expected one or more, all different"):
        Comparison(tmp_path, experiments(), seeds)


def test_a_run_made_with_other_settings_is_not_gone_on_with(tmp_path):
    Comparison(tmp_path, {"lstm": experiments()["lstm"]}, seeds=(0,))
    with pytest.raises(RunError, match=r"seed-0: was made with training\.iterations = 12, now 13; give another --out"):
        Comparison(tmp_path, experiments(iterations=13), seeds=(0,))
    assert not (tmp_path / "plain-one").exists()


def test_a_finished_run_that_lacks_metrics_is_not_compared(tmp_path):
    comparison = Comparison(tmp_path, {"lstm": experiments(iterations=2)["lstm"]}, seeds=(0,))
    compare(comparison, quiet=True)
    path = comparison.runs["lstm", 0].path / "metrics.jsonl"
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    with pytest.raises(RunError, match=r"metrics\.jsonl: 1 lines up to the checkpoint of iteration 2, expected 7"):
        Comparison(tmp_path, experiments(iterations=2), seeds=(0,))
    assert not (tmp_path / "plain-one").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "lstm" / "seed-0").mkdir(parents=True)
    (tmp_path / "lstm" / "seed-0" / "letter.txt").write_text("mine")
    with pytest.raises(RunError, match="seed-0: not a run"):
        Comparison(tmp_path, experiments(), seeds=(0,))
    assert not (tmp_path / "plain-one").exists()


def test_at_least_one_job(tmp_path):
    with pytest.raises(ConfigError, match="jobs = 0: expected at least 1"):
        compare(Comparison(tmp_path, experiments(), seeds=(0,)), jobs=0)
