"""Runs as jobs, in processes of submitit's local executor; Slurm is a few scripts of its commands' names."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ctm import ConfigError
from ctm.comparison import cluster
from ctm.comparison.cluster import TrainingJob, compare_on_cluster, executor_of
from ctm.comparison.comparison import Comparison, finished
from ctm.tasks.parity import Parity
from ctm.training import Run, RunError, train
from ctm.training.lock import holder
from training.experiments import parity
from training.processes import everything, wait_for, wait_until_free

ENDLESS = {"iterations": 100_000, "checkpoint_every": 100_000, "evaluate_every": 100_000}


@pytest.fixture(autouse=True)
def _jobs_find_what_tests_find(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


class StoppedOnce(TrainingJob):
    """Its time is up in the middle of an iteration, when no checkpoint but the first was due."""

    def __call__(self):
        batch, stopped = Parity.batch, self.path / "stopped"

        def time_is_up(task, seed, iteration, size):
            if iteration == 4 and not stopped.exists():
                stopped.touch()
                signal.raise_signal(signal.SIGUSR2)
            return batch(task, seed, iteration, size)

        Parity.batch = time_is_up
        super().__call__()


def test_a_job_whose_time_is_up_goes_on_where_it_stopped(tmp_path, capsys, monkeypatch):
    """The signal comes to the process that trains."""
    plan = {"checkpoint_every": 12, "evaluate_every": 12}
    comparison = Comparison(tmp_path / "jobs", {"long": parity(**plan), "broken": parity()}, seeds=(0,))
    long, broken = comparison.runs.values()
    (broken.path / "config.yaml").write_text("{")
    seen = []
    monkeypatch.setattr(cluster, "TrainingJob", StoppedOnce)
    executor = executor_of("local", tmp_path / "cluster")
    outcome = compare_on_cluster(comparison, executor, after_each=lambda: seen.append(finished(long)))
    assert outcome.signal is None
    (failure,) = outcome.failures
    assert failure.startswith(f"{broken.path}: {broken.path / 'config.yaml'}: not YAML")
    assert seen == [True]
    number = (long.path / "job.txt").read_text().split()[1]
    printed = (tmp_path / "cluster" / f"{number}_0_log.out").read_text()
    _, requeued, second = printed.partition("Requeued job")
    assert requeued
    assert '"iteration": 2,' not in second
    assert f"{long.path}: job {number}, see " in capsys.readouterr().out
    alone = Run.create(tmp_path / "alone", parity(**plan))
    train(alone, quiet=True)
    assert everything(long.path) == everything(alone.path)


PROGRAM = """
import sys
from pathlib import Path
from ctm.comparison.cluster import compare_on_cluster, executor_of
from ctm.comparison.comparison import Comparison
from training.experiments import parity
folder = Path(sys.argv[1])
models = {"one": parity(iterations=100_000, checkpoint_every=100_000, evaluate_every=100_000)}
print(compare_on_cluster(Comparison(folder, models, seeds=(0,)), executor_of("local", folder / "cluster")).signal)
"""


def test_an_interrupt_at_the_terminal_ends_the_waiting_and_not_the_jobs(tmp_path, capsys):
    """As at a terminal, the signal comes to the whole group of processes."""
    run = tmp_path / "one" / "seed-0"
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    output = tmp_path / "output.txt"
    with output.open("w") as file:
        waiting = subprocess.Popen(command, stdout=file, start_new_session=True)
    wait_for(run, 4)
    os.killpg(waiting.pid, signal.SIGINT)
    waiting.wait()
    number = int((run / "job.txt").read_text().split()[1])
    assert output.read_text().splitlines()[1:] == [
        f"the jobs go on; the same command waits for them again, kill {number} ends them",
        str(int(signal.SIGINT)),
    ]
    wait_for(run, Run.open(run).metrics()[-1]["iteration"] + 4)
    comparison = Comparison(tmp_path, {"one": parity(**ENDLESS)}, seeds=(0,))
    threading.Timer(0.5, os.kill, (number, signal.SIGTERM)).start()
    trained_by = holder(run)
    outcome = compare_on_cluster(comparison, executor_of("local", tmp_path / "cluster"))
    assert outcome == (None, [f"{run}: its process has stopped; the same command goes on"])
    assert capsys.readouterr().out == f"{run}: {trained_by} goes on\n"
    wait_until_free(run)
    assert 4 <= Run.open(run).latest().iteration < 100_000


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder with the file `state`, in which a job is, and `submitted`, what was given to sbatch."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    commands = {
        "srun": "",
        "sbatch": f"cat $1 >> {folder}/submitted\necho Submitted batch job 12",
        "sacct": f"echo 'JobID|State|NodeList'\necho \"12|$(cat {folder}/state)|\"",
    }
    for name, text in commands.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    from submitit import SlurmJob

    SlurmJob.watcher.clear()
    return folder


def test_jobs_of_slurm_are_submitted_once(tmp_path, slurm, capsys):
    options = tmp_path / "options.yaml"
    options.write_text("timeout_min: 90\nslurm_partition: night\n")
    comparison = Comparison(tmp_path / "runs", {"one": parity()}, seeds=(0,))
    (run,) = comparison.runs.values()

    def compare():
        return compare_on_cluster(comparison, executor_of("slurm", tmp_path / "runs" / "cluster", options))

    for state in ("PENDING", "RUNNING"):
        (slurm / "state").write_text(state)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert compare() == (signal.SIGINT, [])
    submitted = (slurm / "submitted").read_text()
    assert submitted.count("#SBATCH --partition=night") == submitted.count("#SBATCH --time=90") == 1
    first, stopped, second, _ = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{run.path}: job 12, see ")
    assert stopped == "the jobs go on; the same command waits for them again, scancel 12 ends them"
    assert second == f"{run.path}: job 12 goes on"
    (slurm / "state").write_text("FAILED")
    (failure,) = compare().failures
    assert (slurm / "submitted").read_text().count("night") == 2
    assert failure.startswith(f"{run.path}: it printed no reason (job 12, see ")


def test_a_cluster_that_refuses_a_job(tmp_path, slurm):
    (slurm / "sbatch").write_text("#!/bin/sh\necho no such partition >&2\nexit 1\n")
    comparison = Comparison(tmp_path / "runs", {"one": parity()}, seeds=(0,))
    with pytest.raises(RunError, match=r"(?s)seed-0: the cluster refuses its job: .*no such partition"):
        compare_on_cluster(comparison, executor_of("slurm", tmp_path / "cluster"))


def test_a_job_is_stopped_by_a_signal_with_its_exit_code(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", parity())
    outcome = train(run, quiet=True)
    monkeypatch.setattr(cluster, "train", lambda run: outcome)
    TrainingJob(run.path)()
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    monkeypatch.setattr(cluster, "train", lambda run: type(outcome)(3, signal.SIGTERM, 0.0))
    try:
        with pytest.raises(SystemExit) as ended:
            TrainingJob(run.path)()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == [signal.SIGTERM]
    assert ended.value.code == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "expected a line OPTION: VALUE"),
        ("1: 2", "expected a line OPTION: VALUE"),
        ("partition: night", "Setting 'partition' is deprecated. Use 'slurm_partition'"),
        ("slurm_partitoin: night", "Unknown argument 'partitoin' for executor 'slurm'"),
        ("timeout_min: soon", 'Parameter "timeout_min" expected type'),
        ("local_visible_gpus: 3", "Unknown argument 'visible_gpus'"),
        ("nodes: 2", "nodes = 2: expected 1 for a run of a comparison"),
        ("tasks_per_node: 2", "tasks_per_node = 2: expected 1"),
    ],
)
def test_options_that_submitit_does_not_know(tmp_path, text, message):
    path = tmp_path / "options.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"options.yaml: {message}"):
        executor_of("local", tmp_path / "cluster", path)


def test_without_a_cluster_or_submitit(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="cluster = 'slurm': Could not detect"):
        executor_of("slurm", tmp_path)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(RunError, match=r"cluster = 'local': needs submitit, .*: pip install .*\[cluster\]"):
        executor_of("local", Path("nowhere"))
