"""Several models, each trained with several seeds: ordinary runs in one folder, trained one after the other or side by
side, that can be stopped at any moment and gone on with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ctm import plugins
from ctm.comparison.settings import differing
from ctm.errors import ConfigError, RunError
from ctm.files import folder_name
from ctm.training.config import Experiment
from ctm.training.engine import train
from ctm.training.interruption import Interruption
from ctm.training.lock import is_empty
from ctm.training.run import Run

_TOLD = (-signal.SIGTERM, 128 + signal.SIGTERM)  # how a process ends that was asked to


class Comparison:
    """Which models are compared, and where their runs are: `folder/MODEL/seed-0`, ….

    Args:
        folder: of all runs.
        experiments: by name; of one task, with answers of one shape.
        seeds: of training, the same for all.
        presets: what each experiment was made from, by its name; by default the name itself.

    Attributes:
        runs: by name and seed, those of the first seed first.

    Raises:
        ConfigError: if the experiments cannot be compared.
        DataError: if data of a task are missing.
        RunError: if a folder holds a run that was made with other settings or lacks metrics, or no run at all.
    """

    def __init__(
        self,
        folder: Path,
        experiments: Mapping[str, Experiment],
        seeds: Sequence[int],
        presets: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.experiments = {name: experiment.fitted() for name, experiment in experiments.items()}
        self.presets = {name: name for name in experiments} | dict(presets or {})
        self.seeds = tuple(seeds)
        self._check()
        self.primary_metric = {experiment.task.build().primary_metric for experiment in self.experiments.values()}.pop()
        wanted = {
            (name, seed): experiment.replace(training=experiment.training.replace(seed=seed))
            for seed in self.seeds
            for name, experiment in self.experiments.items()
        }
        paths = {(name, seed): folder / folder_name(name) / f"seed-{seed}" for name, seed in wanted}
        found = {key: _existing(path, wanted[key]) for key, path in paths.items()}  # all, before any is made
        self.runs = {key: found[key] or Run.create(path, wanted[key]) for key, path in paths.items()}

    def of(self, name: str) -> dict[int, Run]:
        """The runs of a model by seed, as far as they are finished."""
        return {seed: run for (other, seed), run in self.runs.items() if other == name and finished(run)}

    def waiting(self) -> list[Run]:
        """The runs that are not finished, those of the first seed first."""
        return [run for run in self.runs.values() if not finished(run)]

    def _check(self) -> None:
        if not self.experiments:
            raise ConfigError("compare: name the presets, as in 'ctm compare parity/quick parity/quick-lstm'")
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise ConfigError(f"seeds = {list(self.seeds)}: expected one or more, all different")
        folders = [folder_name(name) for name in self.experiments]
        for name, folder in zip(self.experiments, folders, strict=True):
            if folders.count(folder) > 1:
                raise ConfigError(f"{name}: another model has a folder of this name, {folder}")
        first, *others = self.experiments.items()
        for name, experiment in others:
            if experiment.task.comparable != first[1].task.comparable:
                raise ConfigError(f"{name}: its task is not that of {first[0]}, so their scores cannot be compared")
        for name, experiment in self.experiments.items():
            if experiment.training.devices * experiment.training.nodes > 1:
                raise ConfigError(f"{name}: training.devices * training.nodes: expected 1 for a run of a comparison")


class Outcome(NamedTuple):
    """How `compare` ended."""

    signal: int | None
    """The number of the signal that interrupted it; nothing if there is no more to do."""
    failures: list[str]
    """What went wrong in which run; the others are not concerned."""


def compare(
    comparison: Comparison, *, jobs: int = 1, quiet: bool = False, after_each: Callable[[], Any] = lambda: None
) -> Outcome:
    """Trains all runs that are not finished, from where they stopped.

    SIGINT and SIGTERM end those that are being trained after their iteration, with a checkpoint.

    Args:
        comparison: the runs.
        jobs: how many are trained at a time. With more than 1, each is a process of its own, writes its progress to
            `log.txt` in its folder, has an even share of the machine's threads unless OMP_NUM_THREADS is set, and stops
            with a checkpoint when this one is gone.
        quiet: show no progress.
        after_each: is called when a run is finished.

    Raises:
        ConfigError: for fewer jobs than 1.
    """
    if jobs < 1:
        raise ConfigError(f"jobs = {jobs}: expected at least 1")
    waiting = comparison.waiting()
    if jobs > 1:
        return _side_by_side(waiting, jobs, quiet, after_each)
    failures = []
    for number, run in enumerate(waiting, start=1):
        if not quiet:
            print(f"{number} of {len(waiting)}: {run.path}", flush=True)
        try:
            outcome = train(run, quiet=quiet)
        except RunError as error:
            failures.append(f"{run.path}: {error}")
            continue
        if outcome.signal is not None:
            return Outcome(outcome.signal, failures)
        after_each()
    return Outcome(None, failures)


def finished(run: Run) -> bool:
    """Whether a run has nothing left to do."""
    found = run.checkpoints()
    return bool(found) and found[-1].iteration == run.experiment.training.iterations


def _side_by_side(waiting: list[Run], jobs: int, quiet: bool, after_each: Callable[[], Any]) -> Outcome:
    environment = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // jobs))} | os.environ
    active: dict[subprocess.Popen, Run] = {}
    failures, told, number = [], False, 0
    try:
        with Interruption() as interruption:
            while active or (number < len(waiting) and interruption.signal is None):
                while number < len(waiting) and len(active) < jobs and interruption.signal is None:
                    run, number = waiting[number], number + 1
                    if not quiet:
                        print(f"{number} of {len(waiting)}: {run.path}, see {run.path / 'log.txt'}", flush=True)
                    active[_start(run, environment)] = run
                if interruption.signal is not None and not told:
                    told = True
                    for process in active:  # the end of its input stops it
                        process.stdin.close()  # ty: ignore[missing-union-attribute]
                for process in [process for process in active if process.poll() is not None]:
                    run = active.pop(process)
                    process.stdin.close()  # ty: ignore[missing-union-attribute]
                    if finished(run):
                        after_each()
                    elif not (told and process.returncode in _TOLD):
                        last = (run.path / "log.txt").read_text(errors="replace").splitlines()[-1:]
                        failures.append(f"{run.path}: {' '.join(last).removeprefix('ctm: ')} ({process.returncode})")
                time.sleep(0.05)
    finally:
        for process in active:
            process.kill()
    return Outcome(interruption.signal, failures)


def _start(run: Run, environment: Mapping[str, str]) -> subprocess.Popen:
    """Goes on with a run in a process that a Ctrl-C at the terminal does not reach: the end of its input tells it."""
    imports = [f"--import={file}" for file in plugins.files()]  # the run's own may have moved
    command = [sys.executable, "-m", "ctm.cli.child", str(run.path), *imports]
    with (run.path / "log.txt").open("a") as log:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=dict(environment), start_new_session=True
        )


def _existing(path: Path, wanted: Experiment) -> Run | None:
    """The run in a folder, if it has one.

    Raises:
        RunError: if it is another one, or something else, or finished without all of its metrics.
    """
    if not path.exists() or (path.is_dir() and is_empty(path)):
        return None
    run = Run.open(path)
    was, now = differing([run.experiment, wanted])
    for field in now:
        values = f"{field} = {was[field]!r}, now {now[field]!r}"
        raise RunError(f"{path}: was made with {values}; give another --out, or remove it")
    if finished(run):
        run.complete_metrics()
    return run
