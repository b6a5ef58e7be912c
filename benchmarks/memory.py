"""How much memory a training step takes: estimated before, measured after.

The estimate counts what the forward pass keeps for the backward pass, with tensors that have shapes but no values.

The measurement is the peak during one step over what was there before it, after a tiny machine was trained, so that no
library is loaded in between. On a GPU the allocator knows. On a CPU it is the resident memory of a fresh process, whose
allocator gives everything larger than 64 KiB back when it is freed.
"""

import multiprocessing
import os
import re
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from cases import Case, case, over_ticks
from steps import Bench, Variant
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks


def kept(case: Case) -> int:
    """Bytes that the oracle's forward pass keeps for its backward pass, weights included."""
    return over_ticks(_kept, case)


def _kept(case: Case) -> int:
    storages = {}  # held, so that no two share an address

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    with FakeTensorMode(), saved_tensors_hooks(note, lambda tensor: tensor):
        Bench(case, "cpu").think(Variant("oracle", "fp32"))
    return sum(storage.nbytes() for storage in storages.values())


def fitting(case: Case, limit: float) -> Case:
    """The case with its batch halved until the oracle keeps less than `limit` bytes."""
    while case.batch > 1 and kept(case) >= limit:
        case = case.resized(batch=case.batch // 2)
    return case


def peak(case: Case, variant: Variant, device: str) -> int:
    """Bytes that one training step takes at its peak, beyond the model and the data."""
    if device == "cuda":
        return _peak_on_gpu(case, variant)
    os.environ["MALLOC_MMAP_THRESHOLD_"] = str(2**16)  # for the child alone: it is read when a process starts
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_peak_here, case, variant).result()


def _peak_here(measured: Case, variant: Variant) -> int:
    _warm_up(variant, "cpu")
    bench = Bench(measured, "cpu")
    before = _highest()
    bench.step(variant)
    return _highest() - before


def _warm_up(variant: Variant, device: str) -> None:
    """Trains a tiny machine, so that every library has its own memory."""
    Bench(case("digits").resized(batch=2, ticks=1), device).step(variant)


def _highest() -> int:
    """The most resident memory that this process ever had, in bytes."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # on Linux, what getrusage says begins with the memory of the process that started this one
    return 1024 * int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1])


def _peak_on_gpu(measured: Case, variant: Variant) -> int:
    _warm_up(variant, "cuda")
    bench = Bench(measured, "cuda")
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    bench.step(variant)
    return torch.cuda.max_memory_allocated() - before
