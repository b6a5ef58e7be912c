"""One pass over all samples of a split: everything that is measured of a trained model as a whole comes from it."""

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from ctm.inputs import slice_batch, tree_map
from ctm.machine import ContinuousThoughtMachine
from ctm.tasks.base import Split, Task
from ctm.tasks.checks import TaskError
from ctm.thoughts import Thoughts


def one_pass(
    model: ContinuousThoughtMachine,
    task: Task,
    split: Split = "test",
    batch_size: int = 256,
    *,
    title: str = "thinking",
    quiet: bool = True,
) -> Iterator[tuple[Thoughts, Tensor]]:
    """Thinks about all samples of a split, one batch after another.

    Args:
        model: the machine, on the device to compute on, in evaluation mode.
        task: gives the samples.
        split: "train", "validation" or "test".
        batch_size: samples of a forward pass.
        title: what a progress bar is called.
        quiet: show no progress bar; there is none in any case where standard error is no terminal.

    Returns:
        an iterator over the thoughts about a batch, of the ticks at which an answer is due, and its targets, both where
        the model is.

    Raises:
        TaskError: if there are no samples.
    """
    device = next(model.parameters()).device
    samples, bar = 0, None
    if not quiet and sys.stderr.isatty():
        from tqdm import tqdm

        bar = tqdm(desc=title, unit=" samples", dynamic_ncols=True)
    try:
        for batch in task.evaluation(split, batch_size):
            inputs, targets = tree_map(lambda tensor: tensor.to(device), batch)
            with torch.no_grad():
                thoughts = model(inputs).due
            yield thoughts, targets
            samples += len(targets)
            if bar is not None:
                bar.update(len(targets))
    finally:
        if bar is not None:
            bar.close()
    if not samples:
        raise TaskError(f"{type(task).__name__}.evaluation({split!r}) has no samples; expected at least one")


@torch.no_grad()
def activity(model: ContinuousThoughtMachine, task: Task, samples: int, batch_size: int = 256) -> Tensor:
    """The post-activations of all neurons for the first samples of the test split, (N, T, D), on the CPU.

    Args:
        model, task: as for `one_pass`.
        samples: how many, N, if so many are thought about for as long as the first one.
        batch_size: samples of a forward pass.
    """
    device = next(model.parameters()).device
    found: list[Tensor] = []
    for batch in task.evaluation("test", min(batch_size, samples)):
        left = samples - sum(map(len, found))
        inputs = tree_map(lambda tensor: tensor.to(device), slice_batch(batch, 0, left).inputs)
        active = model(inputs, record={"post_activations"}).recorded.post_activations.float().cpu()  # (B, T, D)
        if found and active.shape[1] != found[0].shape[1]:
            break
        found.append(active)
        if len(active) == left:
            break
    return torch.cat(found)
