"""`ctm calibrate`: the certainty at which thinking can stop, for an error below a bound."""

from json import dumps
from pathlib import Path

from ctm.cli.evaluate import side_by_side
from ctm.cli.trained import DEFAULT, ComputeOptions, Which, open_run
from ctm.errors import ConfigError


def calibrate(
    run: Path,
    /,
    *,
    error: float | None = None,
    lost: float | None = None,
    confidence: float = 0.95,
    checkpoint: Which = "best",
    ticks: int | None = None,
    json: bool = False,
    compute: ComputeOptions = DEFAULT,
) -> None:
    """Finds the lowest certainty at which thinking can stop so that the error stays below a bound, with confidence.

    It is chosen on the validation split, and tried on the test split.

    Parameters
    ----------
    run:
        Folder of the run.
    error:
        The bound: what 1 minus the primary metric may be, 0.01 for one answer in a hundred wrong.
    lost:
        Instead, how far the primary metric may be below that of thinking to the end.
    confidence:
        How probable it is at least, over the draw of the validation samples, that the bound holds.
    checkpoint:
        The one with the best validation score, or the last one.
    ticks:
        Internal ticks to think at most; by default as many as in training.
    json:
        Print everything as one JSON object.
    """
    from ctm.inference.thresholds import at_stop, risk_of_stopping, stopping_tick, threshold_for_error
    from ctm.training.halting import score_ticks

    if (error is None) == (lost is None):
        raise ConfigError("calibrate: give --error, what may be wrong, or --lost, what stopping may cost")
    bounds = {"error": error, "lost": lost, "confidence": confidence}
    for name, value in bounds.items():
        if value is not None and not 0 < value < 1:
            raise ConfigError(f"{name} = {value}: expected a number above 0 and below 1")
    device, precision = compute.start()
    opened = open_run(run, ticks)
    if opened.experiment.task.acts:
        raise ConfigError(f"calibrate: {run} acts: it thinks a fixed number of ticks about each observation")
    task, model = opened.experiment.task.build(), opened.load_model(checkpoint, device)
    batch = opened.experiment.training.evaluation_batch
    with precision:
        certainty, scores = score_ticks(model, task, "validation", batch)
        until = threshold_for_error(certainty, scores, error=error, lost=lost, confidence=confidence)
        mean, most = risk_of_stopping(certainty, scores, until, lost=lost is not None, confidence=confidence)
        found, table = side_by_side(model, task, "test", batch, until)
    name = "error" if lost is None else "lost"
    validation = {
        "samples": len(scores),
        name: mean,
        f"{name}_at_most": most,
        task.primary_metric: float(at_stop(scores, certainty, until).double().mean()),
        "ticks": float((stopping_tick(certainty, until) + 1.0).mean()),
    }
    if json:
        print(dumps({"run": str(run), "checkpoint": checkpoint, **bounds, "validation": validation, **found}))
        return
    print(f"validation: {name} {mean:.4f} of {len(scores)} samples, at most {most:.4f} (confidence {confidence:g})")
    print(f"            {validation['ticks']:.2f} ticks a sample\n")
    print(f"{table}\n\nto stop so: ctm evaluate {run} --until {until:g}, ctm.think(…, until={until:g})")
