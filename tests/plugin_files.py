"""Python files of a user, and processes that do not know them yet."""

import sys
from pathlib import Path

import pytest

from ctm import config, plugins, registry

TASK = '''"""Which of two numbers is the larger?"""

from dataclasses import dataclass

import torch

import ctm
from ctm.recipes import machine, training


class Larger(ctm.GeneratedTask):
    @dataclass(frozen=True)
    class Config(ctm.GeneratedTaskConfig, kind="larger"):
        evaluation_samples: int = 8

        @property
        def answer_shape(self):
            return (2,)

        def build(self):
            return Larger(self)

    def draw(self, size, source):
        numbers = torch.randn(size, 2, generator=source)
        return ctm.Batch(numbers, numbers.argmax(-1))


@ctm.register("larger")
def larger():
    """Which of two numbers is the larger?"""
    model = machine(
        ticks=3,
        backbone=ctm.Identity.Config(channels=2, dimensions=0),
        observer=ctm.Direct.Config(),
        neurons=8,
        memory=2,
        hidden=2,
        output=ctm.SemiDense(4),
        answer_shape=(2,),
    )
    settings = training(3, learning_rate=1e-2, warmup=1, every=3, batch_size=4, accelerator="cpu")
    return ctm.Experiment(Larger.Config(), model, settings)
'''


def forget_files(patch: pytest.MonkeyPatch) -> None:
    """Forgets all files that were imported, and what will be, until `patch` is undone."""
    registry.presets()
    for module, name in ((config, "_MEMBERS"), (plugins, "_FILES"), (plugins, "_ORIGINS"), (registry, "_PRESETS")):
        patch.setattr(module, name, dict(getattr(module, name)))
    if "gymnasium" in sys.modules:  # environments that such files registered
        from gymnasium.envs.registration import registry as environments

        patch.delitem(environments, "Recall-v0", raising=False)
    for name in [name for name in sys.modules if name.startswith("ctm_plugin_")]:
        patch.delitem(sys.modules, name)


def write(path: Path, text: str = TASK) -> Path:
    """A file with some text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
