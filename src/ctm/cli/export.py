"""`ctm export`: a trained machine as ONNX files, which run without PyTorch."""

from pathlib import Path
from typing import Any

from ctm.cli.trained import Which, open_run


def export(
    source: Path,
    destination: Path,
    /,
    *,
    checkpoint: Which = "best",
    ticks: int | None = None,
    int8: bool = False,
) -> None:
    """Writes a trained machine as ONNX files, for `ctm.runtime` or any other runtime of ONNX.

    Parameters
    ----------
    source:
        A run, a saved model with its task, one in the package, or a repository user/name.
    destination:
        A new folder, for a machine that thinks as long as one likes: prepare.onnx, tick.onnx, certainty.onnx and
        machine.json. Or NAME.onnx, for a single file that thinks a fixed number of ticks.
    checkpoint:
        Of a run, the one with the best validation score, or the last one.
    ticks:
        Internal ticks of a pass; by default as many as in training.
    int8:
        Keep the weights of linear maps in eight bits.
    """
    from ctm.export import to_onnx
    from ctm.export.files import require_exportable, require_free

    require_free(destination)
    opened = open_run(source, ticks)
    model = opened.load_model(checkpoint)
    require_exportable(model)
    to_onnx(model, _example(opened.experiment.task), destination, int8=int8, about={"source": source.name})
    print(f"exported: {destination}")


def _example(task: Any) -> Any:
    """A sample of what the machine takes, of a split that is there or made up."""
    made_up = task.example(1)
    if task.acts:
        return made_up
    from ctm.errors import DataError

    try:
        return task.build().sample(0).inputs
    except DataError:
        if made_up is None:
            raise
        return made_up
