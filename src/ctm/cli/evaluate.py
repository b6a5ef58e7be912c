"""`ctm evaluate`: the scores of a trained run."""

from json import dumps
from pathlib import Path
from typing import Any, Literal

from ctm.cli.trained import DEFAULT, ComputeOptions, Which, open_run
from ctm.errors import ConfigError

Split = Literal["test", "validation", "train"]
Choose = Literal["surest", "vote", "mean"]


def evaluate(
    run: Path,
    /,
    *,
    split: Split = "test",
    checkpoint: Which = "best",
    ticks: int | None = None,
    until: float | None = None,
    budget: float | None = None,
    samples: int | None = None,
    noise: float | None = None,
    choose: Choose | None = None,
    ways: bool = False,
    whole: bool = False,
    batch_norm: int | None = None,
    csv: Path | None = None,
    episodes: int | None = None,
    seed: int | None = None,
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
    samples:
        How many thoughts there are about each sample, the first as it is and the others with noise; compares with one.
    noise:
        With --samples, the noise on the post-activations, as a share of their root mean square.
    choose:
        With --samples, whose answer is given: of the surest thought (by default), of a vote of whole answers, or the
        mean of probabilities.
    ways:
        Score every way of answering: top-1 and top-5 accuracy, and the expected calibration error.
    whole:
        Show pictures whole, a batch each, instead of the square in the middle of them.
    batch_norm:
        Replace the means and variances of batch normalisation by those of so many training batches before; the
        checkpoint stays as it is.
    csv:
        With --ways, a file to write a row for each way and tick to.
    episodes:
        Of an agent, how many episodes; by default as many as at the end of training.
    seed:
        Of an agent, which episodes; by default 0, those that score it in training. With --samples, of the noise.
    json:
        Print all scores, those by tick too, as one JSON object.
    """
    from ctm.training.batch_norm import estimate_batch_norm

    stops = until is not None or budget is not None
    if csv is not None and not ways:
        raise ConfigError(f"evaluate: --csv {csv} needs --ways")
    if csv is not None and not csv.parent.is_dir():
        raise ConfigError(f"--csv {csv}: there is no folder {csv.parent}")
    if ways and stops:
        raise ConfigError("evaluate: give --ways, or one of --until and --budget")
    if whole and stops:
        raise ConfigError("evaluate: --whole shows a picture at a time; --until and --budget think about several")
    if until is not None and budget is not None:
        raise ConfigError("evaluate: give --until or --budget, not both")
    if until is not None and not 0 < until <= 1:
        raise ConfigError(f"until = {until}: expected a certainty above 0 and at most 1")
    if budget is not None and not budget >= 1:
        raise ConfigError(f"budget = {budget}: expected at least 1 tick")
    if samples is None and (noise is not None or choose is not None):
        raise ConfigError("evaluate: --noise and --choose need --samples")
    if samples is not None and (ways or whole):
        raise ConfigError("evaluate: give --samples, or one of --ways and --whole")
    if batch_norm is not None and batch_norm < 1:
        raise ConfigError(f"batch_norm = {batch_norm}: expected at least 1 batch")
    if episodes is not None and episodes < 1:
        raise ConfigError(f"episodes = {episodes}: expected at least 1")
    sampling = None if samples is None else _sampling(samples, noise, choose, seed)
    device, precision = compute.start()
    opened = open_run(run, ticks)
    training = opened.experiment.training
    acts = opened.experiment.task.acts
    if acts and (ways or stops or samples is not None or whole or batch_norm is not None):
        raise ConfigError(
            f"evaluate: {run} acts; it takes --episodes and --seed, and neither --ways, --until, --budget nor others"
        )
    if (episodes is not None or (seed is not None and samples is None)) and not acts:
        raise ConfigError(f"evaluate: {run} learns from samples: it has no --episodes and no --seed")
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint, device)
    if whole:
        task = _with_whole_pictures(task)
    with precision:
        if batch_norm is not None:
            estimate_batch_norm(model, task, training, batch_norm)
        if acts:
            scores, text = _acting(model, task, split, training.evaluation_batch, episodes, seed or 0)
        elif ways:
            scores, text = _ways(model, task, split, training.evaluation_batch, csv, json)
        elif sampling is not None:
            scores, text = _sampled(model, task, split, training.evaluation_batch, until, budget, sampling)
        elif stops:
            scores, text = _stopping(model, task, split, training.evaluation_batch, until, budget)
        else:
            scores, text = _scores(model, task, split, training.evaluation_batch)
    print(dumps({"run": str(run), "split": split, "checkpoint": checkpoint, **scores}) if json else text)


def _acting(
    model: Any, task: Any, split: Split, batch: int, episodes: int | None, seed: int
) -> tuple[dict[str, Any], str]:
    """The scores of whole episodes, and what to print of them."""
    scores = task.scores(model, split, batch, episodes, seed)
    interval = f"(95 %: {scores['return_low']:.2f} to {scores['return_high']:.2f})"
    others = [f"{name}: {scores[name]:g}" for name in ("length", "ticks", "episodes")]
    return scores, "\n".join([f"return: {scores['return']:.2f} {interval}", *others])


def _with_whole_pictures(task: Any) -> Any:
    from ctm.tasks.images.task import Images

    if not isinstance(task, Images):
        raise ConfigError(f"evaluate: --whole is for the task 'images'; this run's is {task.config.kind!r}")
    return Images(task.config, whole=True)


def _scores(model: Any, task: Any, split: Split, batch: int) -> tuple[dict[str, Any], str]:
    """The task's scores, and what to print of them."""
    from ctm.training import evaluate

    scores = evaluate(model, task, split, batch)
    single = {name.replace("_", " "): value for name, value in scores.items() if not isinstance(value, list)}
    return scores, "\n".join(f"{split} {name}: {value:.4f}" for name, value in single.items())


def _ways(model: Any, task: Any, split: Split, batch: int, csv: Path | None, quiet: bool) -> tuple[dict[str, Any], str]:
    """The scores of every way of answering, and a table of them."""
    from ctm.analysis.over_ticks import OverTicks
    from ctm.analysis.ways import ways_by_tick, ways_table
    from ctm.comparison.rows import to_csv
    from ctm.files import write_atomically
    from ctm.training.halting import require_answers_at_ticks
    from ctm.training.one_pass import one_pass

    require_answers_at_ticks(task)
    seen = OverTicks()
    for thoughts, targets in one_pass(model, task, split, batch, title=f"{split} split", quiet=quiet):
        seen.add(thoughts, targets)
    rows = ways_by_tick(seen)
    if csv is not None:
        write_atomically(csv, to_csv(rows))
    return {"ways": rows}, ways_table(rows, f"{split} split")


def _stopping(
    model: Any, task: Any, split: Split, batch: int, until: float | None, budget: float | None
) -> tuple[dict[str, Any], str]:
    """The scores of a model that stops when it is sure, next to those of thinking to the end."""
    return side_by_side(model, task, split, batch, _threshold(model, task, batch, until, budget))


def side_by_side(model: Any, task: Any, split: Split, batch: int, until: Any) -> tuple[dict[str, Any], str]:
    """The scores of stopping at a certainty and of thinking to the end, and a table of them."""
    from ctm.training.halting import evaluate_until

    stopped, full = (evaluate_until(model, task, split, limit, batch) for limit in (until, None))
    text = _table(task, split, {f"until {until:.4g}": stopped, "all ticks": full})
    return {"until": until, "stopped": stopped, "full": full}, text


def _sampled(
    model: Any, task: Any, split: Split, batch: int, until: float | None, budget: float | None, sampling: Any
) -> tuple[dict[str, Any], str]:
    """The scores of several thoughts about each sample, next to those of one."""
    from ctm.training.halting import evaluate_until

    until = _threshold(model, task, batch, until, budget)
    sampled, single = (evaluate_until(model, task, split, until, batch, sampling=how) for how in (sampling, None))
    text = _table(task, split, {f"{sampling.samples} samples": sampled, "1 sample": single})
    said = {**vars(sampling), "noise": sampling.noise.scale}
    return {"until": until, **said, "sampled": sampled, "single": single}, text


def _sampling(samples: int, noise: float | None, choose: Choose | None, seed: int | None) -> Any:
    """How to think several times about each sample.

    Raises:
        ConfigError: for an option out of its range.
    """
    from ctm.inference.samples import Sampling

    if samples < 2:
        raise ConfigError(f"samples = {samples}: expected at least 2, to be compared with one thought")
    try:
        return Sampling(samples, noise, choose or "surest", seed or 0)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _threshold(model: Any, task: Any, batch: int, until: float | None, budget: float | None) -> float | None:
    """The certainty to stop at, if at any."""
    from ctm.inference.thresholds import threshold_for_budget
    from ctm.training.halting import score_ticks

    if budget is None:
        return until
    return threshold_for_budget(score_ticks(model, task, "validation", batch).certainty, budget)


def _table(task: Any, split: Split, columns: dict[str, dict[str, float]]) -> str:
    """A table of score, ticks and speed."""
    lines = [f"{split:19}" + "".join(f" {title:>12}" for title in columns)]
    for name in dict.fromkeys([task.primary_metric, "ticks", "samples_per_second"]):
        lines.append(f"{name.replace('_', ' '):19}" + "".join(f" {scores[name]:12.4f}" for scores in columns.values()))
    return "\n".join(lines)
