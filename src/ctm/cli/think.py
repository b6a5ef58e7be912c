"""`ctm think`: one input, answered and animated; of an agent, an episode."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ctm.cli.trained import DEFAULT, ComputeOptions, Which, open_run
from ctm.errors import ConfigError


def think(
    run: Path,
    /,
    *,
    index: int | None = None,
    input: Path | None = None,
    text: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    output: Path | None = None,
    ticks: int | None = None,
    seed: int | None = None,
    checkpoint: Which = "best",
    compute: ComputeOptions = DEFAULT,
) -> None:
    """Answers one input, or lets an agent act for an episode, and animates how.

    Parameters
    ----------
    run:
        Folder of the run.
    index:
        Which test sample to think about.
    input:
        A file to think about instead: a picture for digits and mazes, a text of + and - for parity, of numbers for
        sorting; an .npy or a text of numbers for arrays.
    text:
        The text itself instead of a file, as in --text "0.3 -1.2 0.8".
    output:
        Where the animation goes, a .gif or .mp4, or its last frame, a .png; by default into the run's folder `figures`.
    ticks:
        Internal ticks to think; by default as many as in training.
    seed:
        Of an agent, which episode to watch.
    checkpoint:
        The one with the best validation score, or the last one.
    """
    import torch

    from ctm.analysis.video import save_animation
    from ctm.training.devices import for_the_cpu

    if sum(given is not None for given in (index, input, text)) > 1:
        raise ConfigError("think: give one of --index, --input and --text")
    if output is not None and output.suffix not in (".gif", ".mp4", ".png"):
        raise ConfigError(f"output = {str(output)!r}: expected a name that ends in .gif, .mp4 or .png")
    opened = open_run(run, ticks)
    if opened.experiment.task.acts:
        if index is not None or input is not None or text is not None:
            raise ConfigError(f"think: {run} acts: it has no --index, --input or --text; --seed says which episode")
        if seed is not None and seed < 0:
            raise ConfigError(f"think: --seed {seed}: expected 0 or more")
        _watch(opened, checkpoint, seed or 0, output, compute)
        return
    if seed is not None:
        raise ConfigError(f"think: --seed {seed}: {run} has learned from samples; --index says which")
    device, precision = compute.start()
    task, model = opened.experiment.task.build(), for_the_cpu(opened.load_model(checkpoint, device))
    if text is not None:
        inputs, targets = task.parse(text), None
    else:
        inputs, targets = task.sample(index or 0) if input is None else (task.read(input), None)
    with torch.inference_mode(), precision:
        thoughts = model(inputs, record=True)
    blind = task.shows_attention and thoughts.recorded.attention is None
    if blind and output is not None:
        raise ConfigError(f"output = {str(output)!r}: this model does not attend, so there is nothing to animate")
    target = None if targets is None else targets[0]
    frames = [] if blind else list(task.animate(thoughts, inputs, target))
    if output is not None and not frames:
        raise ConfigError(f"output = {str(output)!r}: the task {task.config.kind!r} draws no animation")
    print(f"answer: {task.format_answer(task.answer(thoughts)[0])}")
    if target is not None:
        print(f"truth: {task.format_answer(target)}")
    print(task.comment(thoughts, inputs))
    if frames:
        name = "text" if text is not None else input.stem if input else index or 0
        print(f"animation: {save_animation(frames, output or opened.figures / f'think-{name}.gif')}")


def _watch(run: Any, checkpoint: Which, seed: int, output: Path | None, compute: ComputeOptions) -> None:
    """Lets an agent act for an episode, and animates how."""
    from ctm.analysis.video import save_animation

    device, precision = compute.start()
    task, model = run.experiment.task.build(), run.load_model(checkpoint, device)
    with precision:
        episode = task.watch(model, seed)
    print(f"return: {episode.rewards.sum().item():g}")
    print(f"length: {len(episode.actions)}")
    path = output or run.figures / f"episode-{seed}.gif"
    frames = task.animate(episode, most=1) if path.suffix == ".png" else task.animate(episode)
    print(f"animation: {save_animation(frames, path, fps=20.0)}")
