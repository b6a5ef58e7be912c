"""Training in processes of their own, to be killed, signalled and multiplied."""

import contextlib
import multiprocessing
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from ctm.training import Run, RunError, train
from ctm.training.lock import locked

_context = multiprocessing.get_context("forkserver")  # imports torch and Lightning once, then starts in no time
_context.set_forkserver_preload(["training.processes", "lightning.fabric", "torch.utils.tensorboard"])


def sit(path: Path) -> None:
    """Trains until the end or a signal; the exit code says which."""
    torch.set_num_threads(1)
    outcome = train(Run.open(path), quiet=True)
    sys.exit(0 if outcome.signal is None else 128 + outcome.signal)


def start(path: Path) -> BaseProcess:
    """Starts or goes on with a run in a new process."""
    process = _context.Process(target=sit, args=(path,))
    process.start()
    return process


def finish(path: Path) -> Path:
    """Goes on with a run to its end, in a new process."""
    process = start(path)
    process.join(60)
    assert process.exitcode == 0
    return path


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
