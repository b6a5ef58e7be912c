"""All pictures of a run."""

from collections.abc import Iterator
from pathlib import Path

import torch
from matplotlib.figure import Figure

from ctm.analysis.curves import training_curves
from ctm.analysis.halting import halting_picture
from ctm.analysis.neurons import neuron_traces
from ctm.analysis.over_ticks import OverTicks, accuracy_over_ticks, certainty_over_ticks
from ctm.analysis.video import save_animation
from ctm.inputs import slice_batch
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Task
from ctm.training.devices import for_the_cpu
from ctm.training.halting import halting_curve
from ctm.training.run import Run

EXAMINED = 64
"""How many test samples are looked at from inside."""


def report(run: Run, device: str | torch.device = "cpu") -> Iterator[Path]:
    """Draws everything there is to see of a run into its folder `figures`, and yields each file when it is there.

    Training curves, accuracy over ticks for the four ways to answer, certainty over ticks, what stopping when sure
    brings, neuron traces, the pictures of the task itself and an animation of one thought; those over ticks for a model
    that thinks more than one (but for neurons, unless answers are emitted over ticks), and those of the task if the
    model looks where they show it.

    Args:
        run: with at least one checkpoint.
        device: where the model computes.

    Raises:
        RunError: if there is none, or it is broken, or metrics are missing.
        DataError: if the task's data are missing.
    """
    task = run.experiment.task.build()
    model = for_the_cpu(run.load_model(device=device))
    figures = {"training": training_curves(run.complete_metrics())}
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    samples = slice_batch(next(iter(task.evaluation("test", EXAMINED))), 0, EXAMINED)
    frames = []
    with torch.inference_mode():
        thoughts = model(samples.inputs, record=True)
        if thoughts.ticks > 1:
            if not task.emits:
                figures |= _over_ticks(model, task, run.experiment.training.evaluation_batch)
            figures["neurons"] = neuron_traces(thoughts.record)
        if thoughts.recorded.attention is not None or not task.shows_attention:
            figures |= dict(task.figures(thoughts, samples)) | dict(task.evaluation_figures(model))
            first = slice_batch(samples, 0, 1)
            frames = list(task.animate(model(first.inputs, record=True), first.inputs, first.targets[0]))
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=160)
        yield path
    for name in ("thinking.gif", "thinking.mp4") if frames else ():
        yield save_animation(frames, folder / name)


def _over_ticks(model: ContinuousThoughtMachine, task: Task, batch: int) -> dict[str, Figure]:
    """What more ticks bring, on the test split."""
    seen = OverTicks()
    for inputs, targets in task.evaluation("test", batch):
        seen.add(model(inputs).due, targets)
    stopped = halting_picture(halting_curve(model, task, batch_size=batch))
    return {"accuracy": accuracy_over_ticks(seen), "certainty": certainty_over_ticks(seen), "halting": stopped}
