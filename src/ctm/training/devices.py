"""Starting Lightning Fabric: devices, processes and precision."""

import atexit
import contextlib
import logging
import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from ctm.training.checkpoint import RunError
from ctm.training.config import TrainingConfig

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def launch(config: TrainingConfig) -> "Fabric":
    """Starts Fabric, and for several devices the other processes; each runs the whole program again.

    Raises:
        RunError: if Fabric is not installed, or the devices that `config` uses_query for are not there.
    """
    try:
        from lightning.fabric import Fabric
    except ModuleNotFoundError:
        needed = "pip install 'continuous-thought-machines[train]'"
        raise RunError(f"training needs Lightning Fabric, which is not installed: {needed}") from None

    for name in ("lightning.fabric", "lightning.pytorch"):  # no advert, no list of devices
        logging.getLogger(name).setLevel(logging.WARNING)
    fabric = Fabric(
        accelerator=_accelerator(config),
        devices=config.devices,
        num_nodes=config.nodes,
        strategy="ddp" if config.devices * config.nodes > 1 else "auto",
        precision=_PRECISIONS[config.precision],
    )
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_part)
    return fabric


def _part() -> None:
    """Leaves the group of processes in order, so that none is cut off from one that ended before it."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _accelerator(config: TrainingConfig) -> Literal["cpu", "cuda"]:
    """Where to compute, after a look at what is there."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    on_gpu = config.accelerator == "cuda" or (config.accelerator == "auto" and gpus > 0)
    if on_gpu and gpus < config.devices:
        raise RunError(f"training.devices = {config.devices}: there are {gpus} GPUs")
    if config.precision == "fp16" and not on_gpu:
        raise RunError("training.precision = 'fp16': needs a GPU; use 'bf16' or 'fp32'")
    started, wanted = os.environ.get("WORLD_SIZE", "1"), str(config.devices * config.nodes)
    if "TORCHELASTIC_RUN_ID" in os.environ and started != wanted:
        raise RunError(f"training.devices * training.nodes = {wanted}: torchrun started {started} processes")
    return "cuda" if on_gpu else "cpu"


def reduced(fabric: "Fabric", tensor: Tensor, how: Literal["mean", "sum", "max"]) -> Tensor:
    """A tensor, reduced over all processes."""
    return fabric.all_reduce(tensor.clone(), reduce_op=how)  # ty: ignore[invalid-explicit-return]


@contextlib.contextmanager
def random_state_untouched(device: torch.device) -> Generator[None, None, None]:
    """Gives the caller's random state back at the end; the engine seeds the global generators."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
