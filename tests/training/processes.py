"""Training in processes of their own, to be killed, signalled and multiplied."""

import contextlib
import multiprocessing
import os
import socket
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from ctm.training import Run, RunError, train
from ctm.training.lock import locked

_context = multiprocessing.get_context("forkserver")  # imports torch and Lightning once, then starts in no time
_context.set_forkserver_preload(["training.processes", "lightning.fabric", "torch.utils.tensorboard"])


def sit(path: Path, environment: dict[str, str]) -> None:
    """Trains until the end or a signal; the exit code says which."""
    torch.set_num_threads(1)
    multiprocessing.set_start_method(None, force=True)  # workers are started as they are by a program
    os.environ.update(environment)
    outcome = train(Run.open(path), quiet=True)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()  # as at the exit of a program, which this is not
    sys.exit(0 if outcome.signal is None else 128 + outcome.signal)


def start(path: Path, environment: dict[str, str] | None = None) -> BaseProcess:
    """Starts or goes on with a run in a new process."""
    process = _context.Process(target=sit, args=(path, environment or {}))
    process.start()
    return process


def finish(path: Path) -> Path:
    """Goes on with a run to its end, in a new process or, for several devices, in several that torchrun would start."""
    count = Run.open(path).experiment.training.devices
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "TORCHELASTIC_RUN_ID": "test"}
    shared |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "GROUP_RANK": "0"}
    ranks = [shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(count)]
    processes = [start(path, rank if count > 1 else None) for rank in ranks]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * count
    return path


def free_port() -> int:
    """A port for processes to find each other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(path: Path, iteration: int) -> None:
    """Waits until a run has written metrics of an iteration."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        with contextlib.suppress(IndexError, RunError):
            if Run.open(path).metrics()[-1]["iteration"] >= iteration:
                return
        time.sleep(0.01)
    raise TimeoutError(f"{path} never came to iteration {iteration}")


def wait_until_free(path: Path) -> None:
    """Waits until no process writes a run any more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(RunError), locked(path):
            return
        time.sleep(0.01)
    raise TimeoutError(f"{path} is still being written")


def everything(path: Path) -> dict[str, bytes]:
    """The metrics, and all tensors of the last checkpoint, of a run."""
    last = Run.open(path).latest().path
    files = (path / "metrics.jsonl", last / "model.safetensors", last / "training.safetensors")
    return {file.name: file.read_bytes() for file in files}
