"""What a run writes down while it trains: JSON lines and TensorBoard."""

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from ctm.errors import RunError
from ctm.files import write_atomically

_FILES = ("metrics.jsonl", "timing.jsonl")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a log's file, in order; none if there is no such file.

    Raises:
        RunError: if one is not what a log writes.
    """
    found = []
    for number, line in enumerate(_complete(path), start=1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise RunError(f"{path}: broken line {number}: {error}") from None
        if not isinstance(found[-1], dict) or type(found[-1].get("iteration")) is not int:
            raise RunError(f"{path}: broken line {number}: expected an object with an iteration")
    return found


class MetricLog:
    """Writes metrics and times of a run, from an iteration on; nothing in any process but the first.

    Lines that were written after that iteration, before the run was killed, are dropped: they come again.

    Args:
        folder: the run's.
        iteration: of the checkpoint from which the run goes on; -1 without one.
        seconds: that the run took so far.
        writes: whether this is the process that writes.

    Attributes:
        lines: how many lines of metrics there are.
    """

    def __init__(self, folder: Path, iteration: int, seconds: float, writes: bool) -> None:
        self._writes = writes
        self._start = time.monotonic() - seconds
        self._mark = (self.seconds, max(iteration, 0))  # since when the speed is measured
        self.lines = 0
        if writes:
            self.lines, _ = (_drop_after(folder / name, iteration) for name in _FILES)
            self._files = {name: (folder / name).open("a", encoding="utf-8") for name in _FILES}
            self._board = _tensorboard(folder / "tensorboard", iteration + 1)

    def close(self) -> None:
        """Finishes."""
        if self._writes:
            for file in self._files.values():
                file.close()
            if self._board:
                self._board.close()

    @property
    def seconds(self) -> float:
        """How long the run took, over all sessions."""
        return time.monotonic() - self._start

    def trained(self, metrics: dict[str, Any], samples: int) -> dict[str, Any]:
        """Writes metrics of a training step, and the time; a step has so many `samples`. Returns the line."""
        then, before = self._mark
        seconds, iteration = self.seconds, metrics["iteration"]
        speed = (iteration - before) * samples / (seconds - then)
        self._write("timing.jsonl", {"iteration": iteration, "seconds": seconds, "samples_per_second": speed})
        self._mark = (seconds, iteration)
        self.lines += 1
        return self._write("metrics.jsonl", metrics, board="train_step")

    def evaluated(self, scores: dict[str, Any]) -> dict[str, Any]:
        """Writes the scores of a split, whose time does not count for the speed. Returns the line."""
        self._mark = (self.seconds, scores["iteration"])
        self.lines += 1
        board = "_".join(scores[name] for name in ("split", "checkpoint") if name in scores)
        return self._write("metrics.jsonl", scores, board=board)

    def sync(self) -> None:
        """Waits until everything is on the disk."""
        if self._writes:
            for file in self._files.values():
                os.fsync(file.fileno())

    def _write(self, name: str, line: dict[str, Any], board: str | None = None) -> dict[str, Any]:
        line = {key: _finite(value) for key, value in line.items()}
        if self._writes:
            self._files[name].write(json.dumps(line, allow_nan=False) + "\n")
            self._files[name].flush()
            if board and self._board:
                for key, value in line.items():
                    if isinstance(value, float):
                        self._board.add_scalar(f"{board}/{key}", value, line["iteration"])
        return line


def _finite(value: Any) -> Any:
    """JSON has no infinity: null stands for it."""
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _complete(path: Path) -> list[str]:
    """The lines of a file, without a last one that was not written to its end."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: broken: {error}") from None
    return [line for line in lines if line.endswith("\n")]


def _drop_after(path: Path, iteration: int) -> int:
    """Removes the lines of later iterations, and a last line that is not complete; returns how many stay."""
    lines = zip(_complete(path), read_lines(path), strict=True)
    kept = [text for text, line in lines if line["iteration"] <= iteration]
    write_atomically(path, "".join(kept))
    return len(kept)


def _tensorboard(folder: Path, first: int) -> Any:
    """A writer that replaces everything from iteration `first` on, if TensorBoard is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        print("tensorboard is not installed: metrics go to metrics.jsonl only", file=sys.stderr)
        return None
    return SummaryWriter(folder, purge_step=first)
