"""Comparisons on a cluster: each run is a job, which goes on where it stopped when its time is up."""

import os
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ctm.comparison.comparison import Comparison, Outcome, finished
from ctm.config import read_yaml
from ctm.errors import ConfigError, RunError
from ctm.files import write_atomically
from ctm.training.engine import train
from ctm.training.interruption import Interruption
from ctm.training.lock import holder
from ctm.training.run import Run

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job
    from submitit.helpers import DelayedSubmission

TIMEOUTS = 1000
"""How often a job may be queued again since its time was up; submitit's default is 3."""

_CANCEL = {"slurm": "scancel", "local": "kill"}
_SECONDS = 0.2  # between two looks at the jobs


class TrainingJob:
    """What a job does: trains a run from where it stopped. submitit copies it to where it is called.

    Args:
        path: the run's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def __call__(self) -> None:
        if os.environ.get("SUBMITIT_EXECUTOR") == "local":
            os.setsid()  # a Ctrl-C at the terminal is for the process that waits, not for the job
        outcome = train(Run.open(self.path))
        if outcome.signal is not None:
            signal.raise_signal(outcome.signal)  # now that the checkpoint is written, submitit queues the job again
            sys.exit(128 + outcome.signal)

    def checkpoint(self) -> "DelayedSubmission":
        """What submitit queues again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def executor_of(cluster: Literal["slurm", "local"], folder: Path, options: Path | None = None) -> "AutoExecutor":
    """What submits jobs to a cluster.

    Args:
        cluster: "slurm", or "local" for processes on this machine.
        folder: for what the jobs print, and submitit's files.
        options: a YAML file with what submitit's `AutoExecutor.update_parameters` takes, such as `timeout_min`,
            `gpus_per_node` or `slurm_partition`; by default jobs have an hour until they are queued again.

    Raises:
        ConfigError: for an option that submitit does not know or take, or more than one process a job.
        RunError: if submitit is not installed, or there is no such cluster here.
    """
    try:
        from submitit import AutoExecutor
    except ImportError:
        advice = "pip install 'continuous-thought-machines[cluster]'"
        raise RunError(f"cluster = {cluster!r}: needs submitit, which is not installed: {advice}") from None
    parameters = {} if options is None else read_yaml(options)
    if not isinstance(parameters, dict) or not all(isinstance(name, str) for name in parameters):
        raise ConfigError(f"{options}: expected a line OPTION: VALUE for each option, such as timeout_min: 120")
    for name in ("nodes", "tasks_per_node"):
        if parameters.get(name, 1) != 1:
            raise ConfigError(f"{options}: {name} = {parameters[name]!r}: expected 1 for a run of a comparison")
    try:
        executor = AutoExecutor(folder, cluster, **{f"{cluster}_max_num_timeout": TIMEOUTS})
    except RuntimeError as error:
        raise RunError(f"cluster = {cluster!r}: {error}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # for another cluster's name of an option
            executor.update_parameters(**{"name": "ctm", "timeout_min": 60, **parameters})
    except (AssertionError, NameError, TypeError, ValueError, UserWarning) as error:
        raise ConfigError(f"{options}: {error}") from None
    return executor


def compare_on_cluster(
    comparison: Comparison,
    executor: "AutoExecutor",
    *,
    quiet: bool = False,
    after_each: Callable[[], Any] = lambda: None,
) -> Outcome:
    """Trains all runs that are not finished as jobs, and waits for them.

    Jobs that an earlier call has submitted are waited for, not submitted again: the file `job.txt` of a run names its
    job. SIGINT and SIGTERM end the waiting, not the jobs; how to end these is printed.

    Args:
        comparison: the runs.
        executor: made by `executor_of`.
        quiet: do not show which job trains which run.
        after_each: is called when a run is finished.

    Raises:
        RunError: if the cluster refuses a job.
    """
    active: dict[Run, Job | None] = {}  # nothing for a process of an earlier call, which holds the lock of its run
    failures = []
    with Interruption() as interruption:
        for run in comparison.waiting():
            if interruption.signal is not None:
                break
            found, active[run] = _find_or_submit(run, executor)
            if not quiet:
                print(f"{run.path}: {found}", flush=True)
        while active and interruption.signal is None:
            for run, job in list(active.items()):
                if holder(run.path) is not None if job is None else not job.done():
                    continue
                del active[run]
                if finished(run):
                    after_each()
                else:
                    failures.append(f"{run.path}: {_last_words(job)}")
            time.sleep(_SECONDS)
    if interruption.signal is not None:
        numbers = " ".join(_job_number(run, executor) or "" for run in active)
        print(f"the jobs go on; the same command waits for them again, {_CANCEL[executor.cluster]} {numbers} ends them")
    return Outcome(interruption.signal, failures)


def _find_or_submit(run: Run, executor: "AutoExecutor") -> tuple[str, "Job | None"]:
    """The job that trains a run, and what to say about it."""
    number = _job_number(run, executor)
    if executor.cluster == "slurm" and number is not None:
        from submitit import SlurmJob

        job = SlurmJob(executor.folder, number)
        if not job.done(force_check=True):
            return f"job {number} goes on", job
    trained_by = holder(run.path)
    if trained_by is not None:
        return f"{trained_by} goes on", None
    job = _submit(TrainingJob(run.path), executor)
    write_atomically(run.path / "job.txt", f"{executor.cluster} {job.job_id}\n")
    return f"job {job.job_id}, see {job.paths.stdout} and {job.paths.stderr}", job


def _submit(training: TrainingJob, executor: "AutoExecutor") -> "Job":
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what a process starts with is what it ignores, too
    try:
        return executor.submit(training)
    except (FailedJobError, FailedSubmissionError, OSError) as error:
        raise RunError(f"{training.path}: the cluster refuses its job: {error}") from None
    finally:
        signal.signal(signal.SIGINT, before)


def _job_number(run: Run, executor: "AutoExecutor") -> str | None:
    """The number of the latest job of a run on this cluster."""
    try:
        cluster, _, number = (run.path / "job.txt").read_text(encoding="utf-8").strip().partition(" ")
    except FileNotFoundError:
        return None
    return number if cluster == executor.cluster else None


def _last_words(job: "Job | None") -> str:
    """Why a job ended before its run was finished."""
    if job is None:
        return "its process has stopped; the same command goes on"
    path = job.paths.stderr
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "it printed no reason")
    return f"{re.sub(r'^[a-z_.]+[.](?=[A-Z])[A-Za-z]+: ', '', last)} (job {job.job_id}, see {path})"
