"""What a machine can learn: one folder a task, none with a trainer of its own."""

from ctm.tasks.base import Batch, DataError, Split, Task, TaskConfig

__all__ = ["Batch", "DataError", "Split", "Task", "TaskConfig"]
