"""Work in several processes."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any


@contextmanager
def workers(pieces: int, processes: int | None = None) -> Generator[Callable[..., Any]]:
    """Something like `map`: its results come in order, whoever computes them.

    Args:
        pieces: how many pieces of work are worth a process each; below 2 there are no other processes.
        processes: the most to use; by default one for each core.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = min(cores if processes is None else processes, pieces)
    if wanted < 2:
        yield map
        return
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(wanted, context) as pool:
        yield partial(_in_order, pool)


def _in_order(pool: ProcessPoolExecutor, work: Callable[..., Any], items: Any) -> Iterator[Any]:
    items = list(items)
    return pool.map(work, items, chunksize=max(1, len(items) // 1000))
