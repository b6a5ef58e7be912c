"""All pictures of a run."""

from collections.abc import Iterator
from pathlib import Path

import torch

from ctm.analysis.curves import training_curves
from ctm.analysis.neurons import neuron_traces
from ctm.analysis.over_ticks import OverTicks, accuracy_over_ticks, certainty_over_ticks
from ctm.analysis.stopping import stopping, stopping_picture
from ctm.analysis.video import save_animation
from ctm.inputs import rows
from ctm.training.run import Run

EXAMINED = 64
"""How many test samples are looked at from inside."""


def report(run: Run) -> Iterator[Path]:
    """Draws everything there is to see of a run into its folder `figures`, and yields each file when it is there.

    Training curves, accuracy over ticks for the four ways to answer, certainty over ticks, what stopping when sure
    brings, neuron traces, the pictures of the task itself and an animation of one thought.

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
    tried = stopping(model, task, batch_size=run.experiment.training.evaluation_batch)
    figures = {"training": training_curves(run.metrics()), "stopping": stopping_picture(tried)}
    seen = OverTicks()
    with torch.inference_mode():
        for inputs, targets in task.evaluation("test", run.experiment.training.evaluation_batch):
            seen.add(model(inputs).due, targets)
        figures |= {"accuracy": accuracy_over_ticks(seen), "certainty": certainty_over_ticks(seen)}
        samples = rows(next(iter(task.evaluation("test", EXAMINED))), 0, EXAMINED)
        thoughts = model(samples.inputs, record=True)
        figures["neurons"] = neuron_traces(thoughts.record)
        figures |= dict(task.figures(thoughts, samples))
        first = rows(samples, 0, 1)
        frames = list(task.animate(model(first.inputs, record=True), first.inputs, first.targets[0]))
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=160)
        yield path
    yield save_animation(frames, folder / "thinking.gif")
    yield save_animation(frames, folder / "thinking.mp4")
