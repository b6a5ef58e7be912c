"""What is measured: machines of the paper, each with a batch of random data of the right shape."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

import ctm
from ctm.registry import model_config


class Setting(NamedTuple):
    """What a preset is trained on."""

    shape: tuple[int, ...]
    """Of one sample."""
    batch: int
    """The paper's batch size."""
    given: bool = False
    """Whether a sample is features already, so that the loop is measured without the backbone."""


SETTINGS = {
    "digits": Setting((1, 8, 8), 64),
    "parity/paper-75": Setting((64,), 64),
    "mazes/paper": Setting((3, 39, 39), 64),
    "cifar10/paper": Setting((3, 32, 32), 512),
    "imagenet/paper": Setting((2048, 14, 14), 64, given=True),
}
"""Presets that can be measured."""


@dataclass(frozen=True)
class Case:
    """A machine and the size of its batch."""

    name: str
    """The preset it comes from."""
    config: ctm.MachineConfig
    """The machine, with the number of ticks to think."""
    batch: int
    """B, samples."""

    def resized(self, batch: int | None = None, ticks: int | None = None) -> "Case":
        """The case with another batch size or number of ticks."""
        config = replace(self.config, ticks=ticks or self.config.ticks)
        return replace(self, config=config, batch=batch or self.batch)

    def model(self) -> ctm.ContinuousThoughtMachine:
        """The machine, with fresh weights."""
        torch.manual_seed(0)
        return self.config.build()

    def inputs(self) -> Tensor:
        """Noise, or random signs where the machine takes symbols."""
        noise = torch.randn(self.batch, *SETTINGS[self.name].shape)
        return noise.sign() if isinstance(self.config.backbone, ctm.TokenEmbedding.Config) else noise

    def targets(self) -> Tensor:
        """Random answers, (B, *answer)."""
        readout = self.config.readout
        return torch.randint(readout.classes, (self.batch, *readout.answer))


def case(name: str) -> Case:
    """The case of one of `SETTINGS`, as large as in the paper."""
    config, setting = model_config(name), SETTINGS[name]
    if setting.given:
        config = replace(
            config, backbone=ctm.Identity.Config(config.backbone.channels, dimensions=len(setting.shape) - 1)
        )
    return Case(name, config, setting.batch)


def over_ticks(count: Callable[[Case], int], case: Case) -> int:
    """Counts something that every tick adds the same to, looking at two ticks only."""
    first, second = (count(case.resized(ticks=ticks)) for ticks in (1, 2))
    return first + (case.config.ticks - 1) * (second - first)
