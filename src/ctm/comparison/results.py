"""What came out of a comparison: numbers for programs, and a table for people."""

from statistics import mean, stdev
from typing import Any

from ctm.baselines import parameters
from ctm.comparison.comparison import Comparison
from ctm.training.checkpoint import RunError
from ctm.training.metric_log import read_lines
from ctm.training.run import Run


def results(comparison: Comparison) -> dict[str, Any]:
    """All scores of a comparison, ready for JSON.

    Returns:
        "task", "primary_metric" (the score that matters) and "seeds"; "models" by name, each with "parameters", "runs" (by
        seed, those that are finished: "path", "seconds", "best", the primary_metric's best value, and "last", all scores of
        the last evaluation on the test split) and "summary": "mean" and "spread" of every number over seeds, the spread
        being the standard deviation, or nothing for a single seed.

    Raises:
        RunError: if the metrics of a finished run are broken, or end before its last checkpoint.
    """
    models = {}
    for name, experiment in comparison.experiments.items():
        runs = {seed: _scores(run, comparison.primary_metric) for seed, run in comparison.of(name).items()}
        numbers = [{"best": run["best"], "seconds": run["seconds"], **run["last"]} for run in runs.values()]
        known = [key for key in (numbers[0] if numbers else ()) if all(key in number for number in numbers)]
        summary = {key: _summary([number[key] for number in numbers]) for key in known}
        models[name] = {"parameters": parameters(experiment.model), "runs": runs, "summary": summary}
    task = next(iter(comparison.experiments.values())).task.kind
    return {
        "task": task,
        "primary_metric": comparison.primary_metric,
        "seeds": list(comparison.seeds),
        "models": models,
    }


def table(found: dict[str, Any]) -> str:
    """The results as a Markdown table: test scores of the last checkpoint, the mean over seeds ± its spread."""
    primary_metric, seeds = found["primary_metric"], len(found["seeds"])
    scores = list(dict.fromkeys([primary_metric, *(["accuracy"] if _has(found, "accuracy") else []), "loss"]))
    columns = [*scores, "best", "seconds"]
    titles = [*(score.replace("_", " ") for score in scores), f"best {primary_metric.replace('_', ' ')}", "minutes"]
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


def _scores(run: Run, primary_metric: str) -> dict[str, Any]:
    evaluations = [line for line in run.complete_metrics() if line.get("split") == "test"]
    timing, iteration = read_lines(run.path / "timing.jsonl"), run.latest().iteration
    if not timing or timing[-1]["iteration"] != iteration:
        raise RunError(f"{run.path / 'timing.jsonl'}: expected a last line of iteration {iteration}")
    return {
        "path": str(run.path),
        "seconds": timing[-1]["seconds"],
        "best": max(line[primary_metric] for line in evaluations),
        "last": {name: value for name, value in evaluations[-1].items() if isinstance(value, float)},
    }


def _summary(values: list[float]) -> dict[str, float | None]:
    return {"mean": mean(values), "spread": stdev(values) if len(values) > 1 else None}
