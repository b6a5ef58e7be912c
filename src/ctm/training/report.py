"""All pictures of a run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from ctm.analysis.calibration import calibration_over_ticks
from ctm.analysis.curves import acting_curves, training_curves
from ctm.analysis.halting import halting_picture
from ctm.analysis.neuron_map import neuron_map, neuron_map_frames, neuron_map_picture
from ctm.analysis.neurons import neuron_traces
from ctm.analysis.over_ticks import OverTicks, accuracy_over_ticks, certainty_over_ticks
from ctm.analysis.similarity import COMPARED, similarity_picture
from ctm.analysis.video import save_animation
from ctm.analysis.when_certain import when_certain
from ctm.errors import ConfigError
from ctm.inputs import slice_batch
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Task
from ctm.training.devices import for_the_cpu
from ctm.training.halting import HaltingScores, halting_curve
from ctm.training.one_pass import activity, one_pass
from ctm.training.run import Run

EXAMINED = 64
"""How many test samples are looked at from inside."""
MAPPED = 200
"""From how many of them the map of neurons is made, as in Figure 11."""


def report(
    run: Run, device: str | torch.device = "cpu", *, quiet: bool = True, say: Callable[[str], Any] = print
) -> Iterator[Path]:
    """Draws everything there is to see of a run into its folder `figures`, and yields each file when it is there.

    Training curves. Of an agent, an episode with what it thinks, and its neurons. Of a model that thinks more than one
    tick, accuracy and certainty over ticks, calibration, and what stopping when sure brings, all from one pass over the
    test split (unless answers are emitted over ticks), and what its neurons do: traces, how much they differ, and a map
    of them; the pictures of the task itself and an animation of one thought, if the model looks where they show it.

    Args:
        run: with at least one checkpoint.
        device: where the model computes.
        quiet: show no progress bar.
        say: is told, in a line, which picture is left out, and why.

    Raises:
        RunError: if there is none, or it is broken, or metrics are missing.
        DataError: if the task's data are missing.
    """
    if run.experiment.task.acts:
        yield from _acting_report(run, device, say)
        return
    task = run.experiment.task.build()
    model = run.load_model(device=device)
    metrics = run.complete_metrics()
    figures = {"training": training_curves(metrics), **dict(task.training_figures(metrics))}
    batch = run.experiment.training.evaluation_batch
    folder = run.figures
    folder.mkdir(exist_ok=True)
    if not task.emits and model.config.ticks > 1:
        figures |= _over_ticks(model, task, batch, quiet)
    model = for_the_cpu(model)
    animations = {}
    samples = slice_batch(next(iter(task.evaluation("test", EXAMINED))), 0, EXAMINED)
    with torch.inference_mode():
        thoughts = model(samples.inputs, record=True)
        if thoughts.recorded.attention is not None or not task.shows_attention:
            figures |= dict(task.figures(thoughts, samples)) | dict(task.evaluation_figures(model))
            first = slice_batch(samples, 0, 1)
            animations["thinking"] = list(
                task.animate(model(first.inputs, record=True), first.inputs, first.targets[0])
            )
        if thoughts.ticks > 1:
            figures["neurons"] = neuron_traces(thoughts.recorded)
            inside = activity(model, task, MAPPED, batch)
            figures["similarity"] = similarity_picture({"neurons": [inside[:COMPARED]]})
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=160)
        yield path
    if thoughts.ticks > 1:
        try:
            places = neuron_map(inside)
        except (ModuleNotFoundError, ValueError) as error:  # without UMAP, or for too few neurons
            say(f"neuron-map.png is left out: {error}")
        else:
            path = folder / "neuron-map.png"
            neuron_map_picture(places, inside).savefig(path, dpi=160)
            yield path
            animations["neuron-map"] = list(neuron_map_frames(places, inside))
    for name, frames in animations.items():
        for ending in ("gif", "mp4") if frames else ():
            yield save_animation(frames, folder / f"{name}.{ending}")


def _acting_report(run: Run, device: str | torch.device, say: Callable[[str], Any]) -> Iterator[Path]:
    """What there is to see of an agent: how it learned, and an episode."""
    task, folder = run.experiment.task.build(), run.figures
    figures = {"training": acting_curves(run.complete_metrics(), run.experiment.training.samples)}
    model = run.load_model(device=device)
    try:
        episode = task.watch(model, seed=0)
    except ConfigError as error:
        say(f"the episode is left out: {error}")
        episode = task.watch(model, seed=0, drawn=False)
    figures |= dict(task.figures(episode))
    folder.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=160)
        yield folder / f"{name}.png"
    frames = list(task.animate(episode)) if episode.frames else []
    for ending in ("gif", "mp4") if frames else ():
        yield save_animation(frames, folder / f"episode.{ending}", fps=20.0)


def _over_ticks(model: ContinuousThoughtMachine, task: Task, batch: int, quiet: bool) -> dict[str, Figure]:
    """What more ticks bring, on the test split."""
    seen, halting = OverTicks(), HaltingScores(task)
    for thoughts, targets in one_pass(model, task, "test", batch, title="test split", quiet=quiet):
        seen.add(thoughts, targets)
        halting.add(thoughts, targets)
    figures = {
        "accuracy": accuracy_over_ticks(seen),
        "certainty": certainty_over_ticks(seen),
        "when-certain": when_certain(seen, _class_names(task, model.config.readout.shape)),
        "halting": halting_picture(halting_curve(model, halting, batch)),
    }
    calibration = seen.calibration["last"]
    return figures | ({"calibration": calibration_over_ticks(calibration)} if calibration.ticks else {})


def _class_names(task: Task, shape: tuple[int, ...]) -> list[str] | None:
    """What the classes are called, of answers (*answer, C) that are one label."""
    *answer, classes = shape
    return None if answer else [task.format_answer(torch.tensor(number)) for number in range(classes)]
