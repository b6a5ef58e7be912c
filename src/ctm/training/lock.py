"""One writer a run: whoever makes or trains it holds the lock of its folder."""

import contextlib
import os
import socket
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from ctm.errors import RunError
from ctm.files import write_atomically

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_LOCK, _HOLDER = ".lock", ".holder"


@contextlib.contextmanager
def locked(folder: Path) -> Generator[None, None, None]:
    """Keeps every other process from writing into the folder of a run.

    The operating system holds the lock, and lets go of it when the process ends, however it does.

    Args:
        folder: that of the run; it must exist.

    Raises:
        RunError: if another process holds the lock; it says which.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"{folder}: {_holder(folder)} is writing this run; wait for it, or stop it") from None
    try:
        write_atomically(folder / _HOLDER, f"process {os.getpid()} on {socket.gethostname()}")
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def locked_by_the_first(folder: Path, fabric: "Fabric") -> Generator[None, None, None]:
    """The same for the processes of one training: the first one holds the lock, and if it cannot, all fail.

    Raises:
        RunError: as `locked`, in all processes.
    """
    with contextlib.ExitStack() as held:
        error = None
        if fabric.is_global_zero:
            try:
                held.enter_context(locked(folder))
            except RunError as refused:
                error = str(refused)
        error = fabric.broadcast(error)
        if error is not None:
            raise RunError(error)
        yield


def holder(folder: Path) -> str | None:
    """Which process is writing the run of a folder, in words; nothing if none is."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / _LOCK).acquire(timeout=0):
            return None
    except Timeout:
        return _holder(folder)


def is_empty(folder: Path) -> bool:
    """Whether a folder has nothing in it, but for what locking leaves there."""
    return all(path.name in (_LOCK, _HOLDER) for path in folder.iterdir())


def _holder(folder: Path) -> str:
    try:
        return (folder / _HOLDER).read_text(encoding="utf-8")
    except OSError:  # it has not said so yet
        return "another process"
