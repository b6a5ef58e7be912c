"""`ctm train`: a new run of a preset, or a run that goes on."""

from pathlib import Path
from typing import Any


def train(
    preset: str | None = None, /, *, resume: Path | None = None, iterations: int | None = None, quiet: bool = False
) -> int:
    """Trains a preset, or goes on with a run.

    `ctm train digits --help` shows every setting of a preset with its value; any can be changed, as in
    `ctm train digits --training.iterations 300 --model.ticks 20`. `ctm train my_task.py` trains what a Python file
    registers with `@ctm.register`.

    Parameters
    ----------
    preset:
        Name of a preset (see `ctm presets`), a Python file that registers one, as my_task.py or my_task.py:name, or a
        YAML file such as a run's config.yaml.
    resume:
        Folder of a run to go on with, exactly where it stopped.
    iterations:
        How many iterations the run is to have in all, more than it has so far; a finished one is trained longer.
    quiet:
        Print nothing while training.
    """
    from ctm.training import Run, RunError

    if preset is not None:
        raise RunError(f"train: {preset} is new, --resume {resume} goes on with a run: give one of them")
    if resume is None:
        raise RunError("train: name a preset, as in 'ctm train digits', or give --resume RUN; 'ctm presets' lists them")
    run = Run.open(resume)
    return go_on(run if iterations is None else run.extended(iterations), quiet)


def say_fitted(asked: Any, fitted: Any) -> None:
    """Says in a line what the data made of a model that was asked for; nothing if it stayed as it was."""
    from ctm.comparison.settings import differing
    from ctm.training.run import another_process_writes

    _, now = differing([asked.model, fitted.model])
    if now and not another_process_writes(fitted):
        changes = ", ".join(f"model.{path} = {value}" for path, value in now.items() if value is not None)
        print(f"fitted to the data: {changes}", flush=True)


def go_on(run: Any, quiet: bool) -> int:
    """Trains a run to its end and says how it went."""
    from ctm.training import train
    from ctm.training.run import another_process_writes

    outcome = train(run, quiet=quiet)
    if outcome.signal is None:
        code, words = 0, f"trained: {run.path}"
    else:
        code = 128 + outcome.signal
        words = f"stopped at iteration {outcome.iteration}; go on with: ctm train --resume {run.path}"
    if not another_process_writes(run.experiment):
        print(words)
    return code
