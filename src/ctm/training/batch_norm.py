"""Batch normalisation whose statistics are measured anew."""

import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from ctm.errors import ConfigError
from ctm.inputs import tree_map
from ctm.randomness import seed_from
from ctm.tasks.base import Task
from ctm.training.config import TrainingConfig
from ctm.training.devices import random_state_untouched


def estimate_batch_norm(model: nn.Module, task: Task, config: TrainingConfig, batches: int) -> None:
    """Replaces the running means and variances of batch normalisation by their means over training batches.

    The batches are the first ones of the training, as large as a process normalises at a time, and are thought about as
    in training, with dropout. The authors' training on a single GPU does so before it evaluates. Weights and mode of
    the model stay as they are.

    Args:
        model: the machine, on the device to compute on.
        task: gives the batches.
        config: of the training: seed and size of the batches.
        batches: how many.

    Raises:
        ConfigError: if the model has no batch normalisation, or some whose statistics are frozen.
    """
    was_training = model.training
    norms = [module for module in model.train().modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    frozen = not all(norm.training for norm in norms)
    model.train(was_training)
    if frozen or not norms:
        found = "batch normalisation that is frozen" if norms else "no batch normalisation"
        raise ConfigError(f"batch_norm = {batches}: the model has {found}, with nothing to measure; leave it out")
    device = next(model.parameters()).device
    size = config.batch_size // (config.accumulate * config.devices * config.nodes)
    drawn = (task.batch(config.seed, iteration, size).inputs for iteration in range(batches))
    with random_state_untouched(device):
        torch.manual_seed(seed_from(config.seed, "batch norm"))
        update_bn(((tree_map(lambda tensor: tensor.to(device), inputs),) for inputs in drawn), model)
