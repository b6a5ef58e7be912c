"""Where and how to compute: devices, processes and precision."""

import atexit
import contextlib
import logging
import os
import re
import warnings
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ctm.errors import ConfigError, RunError
from ctm.inputs import tree_map
from ctm.kernels.precision import at_least_float32
from ctm.machine import ContinuousThoughtMachine
from ctm.thoughts import Record, Thoughts
from ctm.training.config import LearningConfig

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_PRECISIONS: dict[str, Any] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def launch(config: LearningConfig) -> "Fabric":
    """Starts Fabric, and for several devices the other processes; each runs the whole program again.

    Raises:
        RunError: if Fabric is not installed, or the devices that `config` asks for are not there.

    Warns:
        UserWarning: of bf16 on a processor that computes it slowly.
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
    if config.precision == "bf16" and fabric.global_rank == 0:
        _warn_of_slow_bf16(fabric.device)
    return fabric


def find_device(name: str) -> torch.device:
    """The device of a name: cpu, cuda, cuda:1, mps, or auto for a GPU if there is one.

    Raises:
        ConfigError: if there is no such device, or no such name.
    """
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    there = [*gpus, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
    if name == "auto":
        return torch.device(there[0])
    if name in there or (name == "cuda" and gpus):
        return torch.device(name)
    if not re.fullmatch(r"cuda(:\d+)?|mps", name):
        raise ConfigError(f"device = {name!r}: expected auto, cpu, cuda, cuda:NUMBER or mps")
    raise ConfigError(f"device = {name!r}: not on this machine, which has {', '.join(there)}")


def autocast(device: torch.device, precision: Literal["fp32", "bf16", "fp16"]) -> contextlib.AbstractContextManager:
    """What a model computes in to have a precision, as training does.

    Raises:
        ConfigError: for fp16 without a GPU.

    Warns:
        UserWarning: of bf16 on a processor that computes it slowly.
    """
    if precision == "fp32":
        return contextlib.nullcontext()
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("precision = 'fp16': needs a GPU; use 'bf16' or 'fp32'")
    if precision == "bf16":
        _warn_of_slow_bf16(device)
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


def _warn_of_slow_bf16(device: torch.device) -> None:
    if device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2":
        warnings.warn(
            "precision = 'bf16': this processor has AVX2 at most and no instructions for bf16, so that a tick takes "
            "many times as long as in fp32; expected 'fp32' here",
            stacklevel=3,
        )


def for_the_cpu(model: ContinuousThoughtMachine) -> ContinuousThoughtMachine:
    """Makes a model take inputs from any device and give back its answers and its record on the CPU, as pictures need.

    Halves of precision become float32. The state to go on from stays where it is.
    """
    device = next(model.parameters()).device

    def back(x: Any) -> Any:
        return at_least_float32(x).cpu() if isinstance(x, Tensor) else x

    def give_back(model: nn.Module, inputs: Any, thoughts: Thoughts) -> Thoughts:
        record = None if thoughts.record is None else Record(*map(back, thoughts.record))
        return thoughts._replace(logits=back(thoughts.logits), certainty=back(thoughts.certainty), record=record)

    model.register_forward_pre_hook(lambda _, inputs: tree_map(lambda x: x.to(device), inputs))
    model.register_forward_hook(give_back)
    return model


def _part() -> None:
    """Leaves the group of processes in order, so that none is cut off from one that ended before it."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _accelerator(config: LearningConfig) -> Literal["cpu", "cuda"]:
    """Where to compute, after a look at what is there."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    on_gpu = config.accelerator == "cuda" or (config.accelerator == "auto" and gpus > 0)
    if on_gpu and gpus < config.devices:
        raise RunError(f"training.devices = {config.devices}: there are {gpus} GPUs")
    if not on_gpu and (reason := config.needs_gpus()) is not None:
        raise RunError(f"training.{reason}")
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
