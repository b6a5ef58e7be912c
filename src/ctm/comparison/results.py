"""What came out of a comparison: numbers for programs, and a table for people."""

from statistics import mean, stdev
from typing import Any

from ctm.baselines import parameters
from ctm.comparison.comparison import Comparison
from ctm.errors import RunError
from ctm.training.metric_log import read_lines
from ctm.training.run import Run


def comparison_results(comparison: Comparison) -> dict[str, Any]:
    """All scores of a comparison, ready for JSON.

    Returns:
        "task", "primary_metric" and "seeds"; "models" by name, each with "preset", "parameters", "runs" (by
        seed, those that are finished: "path", "seconds", and all scores on the test split of the "best" checkpoint,
        which the validation split chose, and of the "last" one) and "summary": "mean" and "spread" over seeds of the
        seconds, of every score of the best checkpoint, and of the primary_metric of the last one ("last"), the spread
        being the standard deviation, or nothing for a single seed.

    Raises:
        RunError: if the metrics of a finished run are broken, or end before its last checkpoint.
    """
    models = {}
    for name, experiment in comparison.experiments.items():
        runs = {seed: scores_of(run) for seed, run in comparison.of(name).items()}
        numbers = [
            {"last": run["last"][comparison.primary_metric], "seconds": run["seconds"], **run["best"]}
            for run in runs.values()
        ]
        known = [key for key in (numbers[0] if numbers else ()) if all(key in number for number in numbers)]
        summary = {key: _summary([number[key] for number in numbers]) for key in known}
        models[name] = {
            "preset": comparison.presets[name],
            "parameters": parameters(experiment.model),
            "runs": runs,
            "summary": summary,
        }
    task = next(iter(comparison.experiments.values())).task.kind
    return {
        "task": task,
        "primary_metric": comparison.primary_metric,
        "seeds": list(comparison.seeds),
        "models": models,
    }


def table(found: dict[str, Any]) -> str:
    """The results as a Markdown table: test scores of the best checkpoint, the mean over seeds ± its spread."""
    primary_metric, seeds = found["primary_metric"], len(found["seeds"])
    others = [score for score in ("accuracy", "loss", "length") if _has(found, score)]
    scores = list(dict.fromkeys([primary_metric, *others]))
    columns = [*scores, "last", "seconds"]
    titles = [*(score.replace("_", " ") for score in scores), f"last {primary_metric.replace('_', ' ')}", "minutes"]
    lines = [["model", "parameters", "seeds", *titles], ["---", "--:", "--:", *["--:"] * len(columns)]]
    for name, model in found["models"].items():
        done = len(model["runs"])
        cells = [_cell(column, model["summary"].get(column)) for column in columns]
        lines.append([name, f"{model['parameters']:,}", str(done) if done == seeds else f"{done} of {seeds}", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _has(found: dict[str, Any], score: str) -> bool:
    return any(score in model["summary"] for model in found["models"].values())


def _cell(column: str, summary: dict[str, float | None] | None) -> str:
    if summary is None:
        return "–"
    scale, digits = (1 / 60, 1) if column == "seconds" else (1, 3)
    spread = "" if summary["spread"] is None else f" ± {summary['spread'] * scale:.{digits}f}"
    return f"{summary['mean'] * scale:.{digits}f}{spread}"  # ty: ignore[unsupported-operator]


def scores_of(run: Run) -> dict[str, Any]:
    """The "path" of a finished run, its "seconds", and the scores of its "best" and its "last" checkpoint.

    Raises:
        RunError: if its metrics are broken, or end before its last checkpoint.
    """
    tested = {line.get("checkpoint"): line for line in run.complete_metrics() if line.get("split") == "test"}
    if not {"best", "last"} <= tested.keys():
        raise RunError(f"{run.path / 'metrics.jsonl'}: expected test scores of the best and of the last checkpoint")
    timing, iteration = read_lines(run.path / "timing.jsonl"), run.latest().iteration
    if not timing or timing[-1]["iteration"] != iteration or not isinstance(timing[-1].get("seconds"), float):
        raise RunError(f"{run.path / 'timing.jsonl'}: expected a last line of iteration {iteration}, with seconds")
    scores = {
        which: {name: value for name, value in tested[which].items() if isinstance(value, float)}
        for which in ("best", "last")
    }
    return {"path": str(run.path), "seconds": timing[-1]["seconds"], **scores}


def _summary(values: list[float]) -> dict[str, float | None]:
    return {"mean": mean(values), "spread": stdev(values) if len(values) > 1 else None}
