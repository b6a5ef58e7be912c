"""Scores of a model on the fixed samples of a split."""

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ctm.inputs import tree_map
from ctm.tasks.base import Batch, Split, Task
from ctm.training.checks import TaskError, check_batch, check_loss, check_scores
from ctm.training.devices import reduced

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@torch.no_grad()
def evaluate(
    model: nn.Module, task: Task, split: Split, batch_size: int = 256, fabric: "Fabric | None" = None
) -> dict[str, float | list[float]]:
    """Averages the loss and the task's scores over the samples of a split.

    Args:
        model: the machine, on the device to compute on, and the same in all processes. It is in evaluation mode
            meanwhile.
        task: gives the samples and the scores.
        split: "train" or "test".
        batch_size: samples of a forward pass.
        fabric: whose precision to use, and whose processes share the work; without it, fp32 in this process.

    Returns:
        "loss" and every score of `task.scores`, each averaged over samples; scores by tick are lists.

    Raises:
        TaskError: if there are no samples, or the task's loss or scores are not what they should be.
    """
    rank, processes = (fabric.global_rank, fabric.world_size) if fabric else (0, 1)
    totals: dict[str, Tensor] = {}
    samples = 0
    was_training = model.training
    model.eval()
    try:
        for number, batch in enumerate(task.evaluation(split, batch_size)):
            check_batch(task, batch, f"evaluation({split!r})")
            samples += len(batch.targets)
            mine = number % processes == rank
            if mine or number == 0:  # the first batch tells every process which scores there are
                with fabric.autocast() if fabric else contextlib.nullcontext():
                    sums = _sums(model, task, batch)
                totals = {name: totals.get(name, 0) + value * mine for name, value in sums.items()}
    finally:
        model.train(was_training)
    if not samples:
        raise TaskError(f"{type(task).__name__}.evaluation({split!r}) has no samples; expected at least one")
    if fabric:
        totals = {name: reduced(fabric, total, "sum") for name, total in totals.items()}
    return {name: (total / samples).tolist() for name, total in totals.items()}


def _sums(model: nn.Module, task: Task, batch: Batch) -> dict[str, Tensor]:
    """The loss and the scores of a batch, summed over its samples: () or (T,), float64."""
    device = next(model.parameters()).device
    inputs, targets = tree_map(lambda tensor: tensor.to(device), batch)
    thoughts = model(inputs)
    thoughts = thoughts._replace(logits=thoughts.logits.float(), certainty=thoughts.certainty.float())
    loss, scores = task.loss(thoughts, targets), task.scores(thoughts, targets)
    check_loss(task, loss, learns=False)
    check_scores(task, scores, len(targets))
    return {name: score.double().sum(0) for name, score in ({"loss": loss.expand(len(targets))} | scores).items()}
