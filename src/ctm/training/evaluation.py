"""Scores of a model on the fixed samples of a split."""

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ctm.inputs import tree_map
from ctm.kernels.precision import widest
from ctm.tasks.base import Batch, Split, Task
from ctm.tasks.checks import TaskError, check_loss, check_scores
from ctm.training.devices import reduced
from ctm.training.loading import evaluation_batches

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@torch.no_grad()
def evaluate(
    model: nn.Module,
    task: Task,
    split: Split,
    batch_size: int = 256,
    fabric: "Fabric | None" = None,
    workers: int = 0,
) -> dict[str, float | list[float]]:
    """Averages the loss and the task's scores over the samples of a split.

    Args:
        model: the machine, on the device to compute on, and the same in all processes. It is in evaluation mode
            meanwhile.
        task: gives the samples and the scores.
        split: "train", "validation" or "test".
        batch_size: samples of a forward pass.
        fabric: whose precision to use, and whose processes share the work; without it, fp32 in this process.
        workers: processes that read ahead, where the task gives batches by their number.

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
        for batch, mine in evaluation_batches(task, split, batch_size, workers, rank, processes):
            with fabric.autocast() if fabric else contextlib.nullcontext():
                sums = _sums(model, task, batch)
            totals = {name: totals.get(name, 0) + value * mine for name, value in sums.items()}
            samples += len(batch.targets) * mine
    finally:
        model.train(was_training)
    if not totals:
        raise TaskError(f"{type(task).__name__}.evaluation({split!r}) has no samples; expected at least one")
    everything = totals["loss"].new_tensor(samples)
    if fabric:
        everything = reduced(fabric, everything, "sum")
        totals = {name: reduced(fabric, total, "sum") for name, total in totals.items()}
    return {name: (total / everything).tolist() for name, total in totals.items()}


def _sums(model: nn.Module, task: Task, batch: Batch) -> dict[str, Tensor]:
    """The loss and the scores of a batch, summed over its samples: () or (T,)."""
    device = next(model.parameters()).device
    inputs, targets = tree_map(lambda tensor: tensor.to(device), batch)
    thoughts = model(inputs)
    thoughts = thoughts._replace(logits=thoughts.logits.float(), certainty=thoughts.certainty.float())
    loss, scores = task.loss(thoughts, targets), task.scores(thoughts, targets)
    check_loss(task, loss, learns=False)
    check_scores(task, scores, len(targets))
    scores = {"loss": loss.expand(len(targets))} | scores
    return {name: score.sum(0, dtype=widest(device)) for name, score in scores.items()}
