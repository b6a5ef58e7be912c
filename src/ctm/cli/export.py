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
    from ctm.hub.save import without_folders

    require_free(destination)
    opened = open_run(source, ticks)
    task, model = opened.experiment.task, opened.load_model(checkpoint)
    require_exportable(model)
    about = {"source": source.name, "task": without_folders(task.to_dict())}
    to_onnx(model, _example(task), destination, int8=int8, about=about)
    print(f"exported: {destination}")
    if int8:
        print(_what_it_costs(model, task, destination))


def _what_it_costs(model: Any, config: Any, destination: Path) -> str:
    """The score of the exported machine beside that of the model, on the validation split."""
    import torch

    from ctm import runtime
    from ctm.errors import DataError
    from ctm.inputs import as_tuple
    from ctm.thoughts import Thoughts

    if config.acts:
        return "not scored: it acts, and an exported machine has no environment"
    try:
        task = config.build()
        samples = next(iter(task.evaluation("validation", 500)))
    except DataError as error:
        return f"not scored: {error}"
    found = runtime.load(destination)(*(tensor.numpy() for tensor in as_tuple(samples.inputs)))
    exported = Thoughts(torch.from_numpy(found.logits), torch.from_numpy(found.certainty), None, shown=found.shown)
    with torch.inference_mode():
        both = [
            task.scores(thoughts, samples.targets)[task.primary_metric].mean().item()
            for thoughts in (model(samples.inputs), exported)
        ]
    name = task.primary_metric.replace("_", " ")
    return f"{name} of {len(samples.targets)} validation samples: {both[0]:.4f} in float32, {both[1]:.4f} in eight bits"


def _example(task: Any) -> Any:
    """A sample of what the machine takes, of a split that is there or made up."""
    from ctm.errors import DataError

    made_up = task.example(1)
    if task.acts:
        return made_up
    try:
        return task.build().sample(0).inputs
    except DataError:
        if made_up is None:
            raise
        return made_up
