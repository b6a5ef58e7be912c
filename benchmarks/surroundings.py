"""Where and when something was measured, and how results are kept."""

import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch


def machine(device: str) -> dict[str, Any]:
    """The machine, as far as speed depends on it."""
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
    }


def described(machine: dict[str, Any]) -> str:
    """The machine in one line."""
    where = f"{machine['gpu']} with {machine['cpu']}" if machine["gpu"] else machine["cpu"]
    return f"{where}, {machine['cores']} cores; PyTorch {machine['torch']}; {machine['date']}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are aligned to the right, also as plain text."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    aligned = ([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])] for first, *rest in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in aligned) + "\n"


def keep(folder: Path, name: str, results: dict[str, Any]) -> None:
    """Writes results as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")


def progress(*words: object) -> None:
    """A line about what is being measured."""
    print(*words, file=sys.stderr, flush=True)


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", listing.read_text()) if listing.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
