"""The command line: `ctm train`, `compare`, `evaluate`, `figures`, `think`, `reapply`, `presets`.

Heavy imports happen inside the commands, so that `ctm --help` answers at once.
"""

import signal
import sys
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

import ctm
from ctm.cli.reapply import reapply
from ctm.errors import ConfigError, CTMError

Which = Literal["best", "last"]
Split = Literal["test", "validation", "train"]

app = App(
    name="ctm",
    help="Continuous Thought Machines: networks that think, tick by tick, and answer when they are sure.",
    version=f"ctm {ctm.__version__}",
    default_parameter=Parameter(negative_iterable=()),
    suppress_keyboard_interrupt=False,
)
app.command(reapply)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; a user's mistake is one line on standard error and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if not _is_the_users(error):
            raise
        print(f"ctm: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def run(arguments: list[str]) -> int:
    """Runs a command and lets its errors through."""
    called = app, arguments
    if arguments[:1] == ["train"] and "--resume" not in arguments and not all(a.startswith("-") for a in arguments[1:]):
        from ctm.cli.options import training_app

        called = training_app(arguments[1]), arguments[2:]
    result = called[0](called[1], exit_on_error=False, print_error=False, result_action="return_value")
    return result if isinstance(result, int) else 0


def _is_the_users(error: Exception) -> bool:
    """Whether an error is a mistake in what was asked, and not one of this program."""
    return isinstance(error, CycloptsError | CTMError | OSError)


@app.command
def train(preset: str | None = None, /, *, resume: Path | None = None, quiet: bool = False) -> int:
    """Trains a preset, or goes on with a run.

    `ctm train digits --help` shows every setting of a preset with its value; any can be changed, as in
    `ctm train digits --training.iterations 300 --model.ticks 20`.

    Parameters
    ----------
    preset:
        Name of a preset (see `ctm presets`), or a YAML file such as a run's config.yaml.
    resume:
        Folder of a run to go on with, exactly where it stopped.
    quiet:
        Print nothing while training.
    """
    from ctm.training import Run, RunError

    if preset is not None:
        raise RunError(f"train: {preset} is new, --resume {resume} goes on with a run: give one of them")
    if resume is None:
        raise RunError("train: name a preset, as in 'ctm train digits', or give --resume RUN; 'ctm presets' lists them")
    return go_on(Run.open(resume), quiet)


def go_on(run: Any, quiet: bool) -> int:
    """Trains a run to its end and says how it went."""
    from ctm.training import train

    outcome = train(run, quiet=quiet)
    if outcome.signal is not None:
        print(f"stopped at iteration {outcome.iteration}; go on with: ctm train --resume {run.path}")
        return 128 + outcome.signal
    print(f"trained: {run.path}")
    return 0


@app.command
def compare(
    *presets: Annotated[str, Parameter(allow_leading_hyphen=True)],
    models: Path | None = None,
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (0, 1, 2),
    out: Path = Path("runs/compare"),
    jobs: int = 1,
    quiet: bool = False,
) -> int:
    """Trains several presets with several seeds, and puts them into one table and one picture.

    Settings that all of them have can be changed for all, as in
    `ctm compare parity/quick parity/quick-lstm --training.iterations 300`. The same command again goes on where it
    stopped, and leaves alone what is finished.

    Parameters
    ----------
    presets:
        Names of presets, or YAML files such as a run's config.yaml; then settings.
    models:
        A YAML file of the models instead, each a line NAME: PRESET, for names of your own.
    seeds:
        Seeds of training.
    out:
        Folder of the runs, the table and the picture.
    jobs:
        How many runs are trained at a time, in processes of their own.
    quiet:
        Print nothing while training.
    """
    from ctm.cli.options import experiments_of
    from ctm.comparison.comparison import Comparison
    from ctm.comparison.comparison import compare as train_all
    from ctm.comparison.report import comparison_report, task_figures

    comparison = Comparison(out, experiments_of(list(presets), models), seeds)
    outcome = train_all(comparison, jobs=jobs, quiet=quiet, after_each=lambda: list(comparison_report(comparison)))
    if outcome.signal is not None:
        print("stopped; the same command goes on")
        return 128 + outcome.signal
    paths = [*comparison_report(comparison), *task_figures(comparison)]
    print((out / "results.md").read_text(encoding="utf-8"))
    print("\n".join(map(str, paths)))
    for failure in outcome.failures:
        print(f"ctm: {failure}", file=sys.stderr)
    return 1 if outcome.failures else 0


@app.command
def evaluate(
    run: Path,
    /,
    *,
    split: Split = "test",
    checkpoint: Which = "best",
    ticks: int | None = None,
    until: float | None = None,
    budget: float | None = None,
    json: bool = False,
) -> None:
    """Scores a trained run.

    Parameters
    ----------
    run:
        Folder of the run.
    split:
        Which samples.
    checkpoint:
        The one with the best validation score, or the last one.
    ticks:
        Internal ticks to think; by default as many as in training.
    until:
        Stop thinking about a sample at this certainty, above 0 and at most 1, and compare with thinking to the end.
    budget:
        Stop likewise, at the certainty that takes so many ticks per sample on the validation split.
    json:
        Print all scores, those by tick too, as one JSON object.
    """
    from ctm.training import evaluate

    if until is not None or budget is not None:
        _evaluate_until(run, split, checkpoint, ticks, until, budget, json)
        return
    opened = _open(run, ticks)
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint)
    scores = evaluate(model, task, split, opened.experiment.training.evaluation_batch)
    if json:
        print(dumps({"run": str(run), "split": split, "checkpoint": checkpoint, **scores}))
        return
    for name, value in scores.items():
        if not isinstance(value, list):
            print(f"{split} {name.replace('_', ' ')}: {value:.4f}")


def _evaluate_until(
    run: Path,
    split: Split,
    checkpoint: Which,
    ticks: int | None,
    until: float | None,
    budget: float | None,
    json: bool,
) -> None:
    """Scores a run that stops when it is sure, next to the same run thinking to the end."""
    from ctm.inference.halting import threshold_for_budget
    from ctm.training.halting import certainties, evaluate_until

    if until is not None and budget is not None:
        raise ConfigError("evaluate: give --until or --budget, not both")
    if until is not None and not 0 < until <= 1:
        raise ConfigError(f"until = {until}: expected a certainty above 0 and at most 1")
    if budget is not None and not budget >= 1:
        raise ConfigError(f"budget = {budget}: expected at least 1 tick")
    opened = _open(run, ticks)
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint)
    batch = opened.experiment.training.evaluation_batch
    if budget is not None:
        until = threshold_for_budget(certainties(model, task, "validation", batch), budget)
    stopped, full = (evaluate_until(model, task, split, limit, batch) for limit in (until, None))
    if json:
        scores = {"until": until, "stopped": stopped, "full": full}
        print(dumps({"run": str(run), "split": split, "checkpoint": checkpoint, **scores}))
        return
    print(f"{split:19} {f'until {until:.4g}':>12} {'all ticks':>12}")
    for name in dict.fromkeys([task.primary_metric, "ticks", "samples_per_second"]):
        print(f"{name.replace('_', ' '):19} {stopped[name]:12.4f} {full[name]:12.4f}")


@app.command
def figures(run: Path, /) -> None:
    """Draws everything there is to see of a run into its folder `figures`.

    Parameters
    ----------
    run:
        Folder of the run.
    """
    from ctm.training import Run
    from ctm.training.report import report

    for path in report(Run.open(run)):
        print(path)


@app.command
def think(
    run: Path,
    /,
    *,
    index: int | None = None,
    input: Path | None = None,
    text: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    output: Path | None = None,
    ticks: int | None = None,
    checkpoint: Which = "best",
) -> None:
    """Answers one input, and animates how.

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
        Where the animation goes, a .gif or .mp4; by default into the run's folder `figures`.
    ticks:
        Internal ticks to think; by default as many as in training.
    checkpoint:
        The one with the best validation score, or the last one.
    """
    import torch

    from ctm.analysis.video import save_animation

    if sum(given is not None for given in (index, input, text)) > 1:
        raise ConfigError("think: give one of --index, --input and --text")
    if output is not None and output.suffix not in (".gif", ".mp4"):
        raise ConfigError(f"output = {str(output)!r}: expected a name that ends in .gif or .mp4")
    opened = _open(run, ticks)
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint)
    blind = task.shows_attention and not model.config.observer.uses_query
    if blind and output is not None:
        raise ConfigError(f"output = {str(output)!r}: this model sees all at once, so there is nothing to animate")
    if text is not None:
        inputs, targets = task.parse(text), None
    else:
        inputs, targets = task.sample(index or 0) if input is None else (task.read(input), None)
    with torch.inference_mode():
        thoughts = model(inputs, record=True)
    target = None if targets is None else targets[0]
    print(f"answer: {task.format_answer(task.answer(thoughts)[0])}")
    if target is not None:
        print(f"truth: {task.format_answer(target)}")
    print(task.comment(thoughts, inputs))
    if blind:
        return
    name = "text" if text is not None else input.stem if input else index or 0
    output = output or run / "figures" / f"think-{name}.gif"
    frames = list(task.animate(thoughts, inputs, target))
    print(f"animation: {save_animation(frames, output) if frames else 'none, since this task draws no frame'}")


def _open(run: Path, ticks: int | None) -> Any:
    """A run, whose model will think for so many ticks."""
    from ctm.training import Run

    opened = Run.open(run)
    if ticks is None:
        return opened
    return Run(run, opened.experiment.replace(model=opened.experiment.model.replace(ticks=ticks)))


@app.command
def presets(name: str | None = None, /) -> None:
    """Lists the presets, or shows one as YAML.

    Parameters
    ----------
    name:
        Which one to show.
    """
    from ctm.config import to_yaml
    from ctm.registry import preset, presets, summary

    if name is None:
        width = max(map(len, presets()))
        print("\n".join(f"{known:{width}}  {summary(known)}" for known in presets()))
    else:
        print(to_yaml(preset(name)), end="")


if __name__ == "__main__":
    sys.exit(main())
