"""What a machine can learn: one folder a task, found by being here."""

import importlib
import pkgutil

from ctm.errors import DataError
from ctm.tasks.base import Batch, Rows, Split, Task, TaskConfig

__all__ = ["Batch", "DataError", "Rows", "Split", "Task", "TaskConfig", "folders", "load"]


def folders() -> list[str]:
    """The names of the folders of all tasks of the package."""
    return [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]


def load() -> None:
    """Imports all tasks of the package, so that the kinds of their configurations are known."""
    for name in folders():
        importlib.import_module(f"{__name__}.{name}")
