"""All pictures of a run."""

from collections.abc import Iterator
from pathlib import Path

import torch
from matplotlib.figure import Figure

from ctm.analysis.curves import training_curves
from ctm.analysis.neurons import neuron_traces
from ctm.analysis.over_ticks import OverTicks, accuracy_over_ticks, certainty_over_ticks
from ctm.analysis.stopping import stopping, stopping_picture
from ctm.analysis.video import save_animation
from ctm.inputs import rows
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Task
from ctm.training.run import Run

EXAMINED = 64
"""How many test samples are looked at from inside."""


def report(run: Run) -> Iterator[Path]:
    """Draws everything there is to see of a run into its folder `figures`, and yields each file when it is there.

    Training curves, neuron traces, the pictures of the task itself and an animation of one thought; unless answers are
    emitted over ticks, also accuracy over ticks for the four ways to answer, certainty over ticks and what stopping
    when sure brings.

    Args:
        run: with at least one checkpoint.

    Raises:
        RunError: if there is none, or it is broken.
        DataError: if the task's data are missing.
    """
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    task = run.experiment.task.build()
    model = run.load_model()
    size = run.experiment.training.evaluation_batch
    figures = {"training": training_curves(run.metrics())}
    if not task.emits:
        figures |= _answers_over_ticks(task, model, size)
    with torch.inference_mode():
        samples = rows(next(iter(task.evaluation("test", EXAMINED))), 0, EXAMINED)
        thoughts = model(samples.inputs, record=True)
        figures["neurons"] = neuron_traces(thoughts.record)
        figures |= dict(task.figures(thoughts, samples)) | dict(task.trials(model))
        first = rows(samples, 0, 1)
        frames = list(task.animate(model(first.inputs, record=True), first.inputs, first.targets[0]))
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=160)
        yield path
    yield save_animation(frames, folder / "thinking.gif")
    yield save_animation(frames, folder / "thinking.mp4")


@torch.inference_mode()
def _answers_over_ticks(task: Task, model: ContinuousThoughtMachine, size: int) -> dict[str, Figure]:
    """What more ticks bring, on all test samples, in batches of a size."""
    seen = OverTicks()
    for inputs, targets in task.evaluation("test", size):
        seen.add(model(inputs).due, targets)
    return {
        "stopping": stopping_picture(stopping(model, task, batch_size=size)),
        "accuracy": accuracy_over_ticks(seen),
        "certainty": certainty_over_ticks(seen),
    }
