"""`ctm evaluate`: the scores of a trained run."""

from json import dumps
from pathlib import Path
from typing import Literal

from ctm.cli.trained import DEFAULT, ComputeOptions, Which, open_run
from ctm.errors import ConfigError

Split = Literal["test", "validation", "train"]


def evaluate(
    run: Path,
    /,
    *,
    split: Split = "test",
    checkpoint: Which = "best",
    ticks: int | None = None,
    until: float | None = None,
    budget: float | None = None,
    ways: bool = False,
    csv: Path | None = None,
    episodes: int | None = None,
    json: bool = False,
    compute: ComputeOptions = DEFAULT,
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
    ways:
        Score every way of answering: top-1 and top-5 accuracy, and the expected calibration error.
    csv:
        With --ways, a file to write a row for each way and tick to.
    episodes:
        Of an agent, how many episodes; by default as many as at the end of training.
    json:
        Print all scores, those by tick too, as one JSON object.
    """
    from ctm.training import Run, evaluate

    if csv is not None and not ways:
        raise ConfigError(f"evaluate: --csv {csv} needs --ways")
    if ways and (until is not None or budget is not None):
        raise ConfigError("evaluate: give --ways, or one of --until and --budget")
    if Run.open(run).experiment.task.acts:
        if ways or until is not None or budget is not None:
            raise ConfigError(f"evaluate: {run} acts: it has no --ways, --until or --budget")
        _evaluate_acting(run, split, checkpoint, ticks, episodes, json, compute)
        return
    if episodes is not None:
        raise ConfigError(f"evaluate: --episodes {episodes}: {run} has learned from samples and does not act")
    if ways:
        _evaluate_ways(run, split, checkpoint, ticks, csv, json, compute)
        return
    if until is not None or budget is not None:
        _evaluate_until(run, split, checkpoint, ticks, until, budget, json, compute)
        return
    device, precision = compute.start()
    opened = open_run(run, ticks)
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint, device)
    with precision:
        scores = evaluate(model, task, split, opened.experiment.training.evaluation_batch)
    if json:
        print(dumps({"run": str(run), "split": split, "checkpoint": checkpoint, **scores}))
        return
    for name, value in scores.items():
        if not isinstance(value, list):
            print(f"{split} {name.replace('_', ' ')}: {value:.4f}")


def _evaluate_acting(
    run: Path,
    split: Split,
    checkpoint: Which,
    ticks: int | None,
    episodes: int | None,
    json: bool,
    compute: ComputeOptions,
) -> None:
    """Scores an agent by whole episodes."""
    if episodes is not None and episodes < 1:
        raise ConfigError(f"episodes = {episodes}: expected at least 1")
    device, precision = compute.start()
    opened = open_run(run, ticks)
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint, device)
    with precision:
        scores = task.scores(model, split, opened.experiment.training.evaluation_batch, episodes)
    if json:
        print(dumps({"run": str(run), "split": split, "checkpoint": checkpoint, **scores}))
        return
    low, high = scores["return_low"], scores["return_high"]
    print(f"return: {scores['return']:.2f} (95 %: {low:.2f} to {high:.2f})")
    print(f"length: {scores['length']:.2f}")
    print(f"ticks: {scores['ticks']:.2f}")
    print(f"episodes: {scores['episodes']}")


def _evaluate_ways(
    run: Path,
    split: Split,
    checkpoint: Which,
    ticks: int | None,
    csv: Path | None,
    json: bool,
    compute: ComputeOptions,
) -> None:
    """Scores every way of answering."""
    from ctm.analysis.over_ticks import OverTicks
    from ctm.analysis.ways import ways_by_tick, ways_table
    from ctm.comparison.rows import to_csv
    from ctm.training.files import write_atomically
    from ctm.training.halting import require_answers_at_ticks
    from ctm.training.one_pass import one_pass

    if csv is not None and not csv.parent.is_dir():
        raise ConfigError(f"--csv {csv}: there is no folder {csv.parent}")
    device, precision = compute.start()
    opened = open_run(run, ticks)
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint, device)
    require_answers_at_ticks(task)
    seen = OverTicks()
    batch = opened.experiment.training.evaluation_batch
    with precision:
        for thoughts, targets in one_pass(model, task, split, batch, title=f"{split} split", quiet=json):
            seen.add(thoughts, targets)
    rows = ways_by_tick(seen)
    if csv is not None:
        write_atomically(csv, to_csv(rows))
    if json:
        print(dumps({"run": str(run), "split": split, "checkpoint": checkpoint, "ways": rows}))
    else:
        print(ways_table(rows, f"{split} split"))


def _evaluate_until(
    run: Path,
    split: Split,
    checkpoint: Which,
    ticks: int | None,
    until: float | None,
    budget: float | None,
    json: bool,
    compute: ComputeOptions,
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
    device, precision = compute.start()
    opened = open_run(run, ticks)
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint, device)
    batch = opened.experiment.training.evaluation_batch
    with precision:
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
