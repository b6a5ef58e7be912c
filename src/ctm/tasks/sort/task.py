"""Which of some numbers is the smallest, which the next, and so on: said one by one, whenever the machine is ready."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Generator, Tensor

from ctm.backbones import Identity
from ctm.config import ConfigError
from ctm.losses.ctc import ctc_over_ticks
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.readouts.classes import Readout
from ctm.tasks.base import Batch, DataError
from ctm.tasks.generated import GeneratedTask, GeneratedTaskConfig
from ctm.tasks.sort.emissions import emissions
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


class Sort(GeneratedTask):
    """Lists (B, N) of standard normal numbers, drawn on the fly; the answer is their places in ascending order, (B, N).

    At every tick the machine says one of N places, or nothing: N + 1 classes, the last one blank.
    """

    primary_metric = "whole_accuracy"
    emits = True

    @dataclass(frozen=True)
    class Config(GeneratedTaskConfig, kind="sort"):
        """Sorting real numbers."""

        numbers: int = 30
        """N, how many numbers are in a list."""

        def validate(self) -> None:
            super().validate()
            self.require(self.numbers >= 2, "numbers", "at least 2")
            self.require(self.second == "most_certain", "second", "its default: this loss is over all ticks")

        @property
        def readout(self) -> Readout.Config:
            return Readout.Config(classes=self.numbers + 1)

        def check(self, model: MachineConfig, ticks: int) -> None:
            given = Identity.Config(channels=self.numbers, dimensions=0)
            if model.backbone != given:
                wanted, has = given.to_dict(), model.backbone.to_dict()
                raise ConfigError(f"model.backbone = {has}: the task 'sort' as configured needs {wanted}")
            if ticks < self.numbers:
                raise ConfigError(f"ticks = {ticks}: expected at least {self.numbers}, one for each number to sort")

        def build(self) -> "Sort":
            return Sort(self)

    def draw(self, size: int, source: Generator) -> Batch:
        """Random lists and their orders."""
        numbers = torch.randn(size, self.config.numbers, generator=source)  # (B, N)
        return Batch(numbers, numbers.argsort(-1))

    def loss(self, thoughts: Thoughts, targets: Tensor) -> Tensor:
        return ctc_over_ticks(thoughts.logits, targets)

    def scores(self, thoughts: Thoughts, targets: Tensor) -> dict[str, Tensor]:
        """What evaluation reports, per sample, each (B,).

        "accuracy", the share of places that are said in the right order; "whole_accuracy", 1 where all are and nothing
        else is said; "emitted", how many places were said; "ticks", after how many ticks all N were, or all ticks;
        "wait", the mean number of ticks between those that were, or all ticks if none was.
        """
        said = emissions(thoughts.logits, self.config.numbers)
        right = (said.classes == targets).float()  # (B, N)
        exact = said.count == self.config.numbers
        last, spoken = said.ticks.amax(1), said.count.clamp_max(self.config.numbers)
        return {
            "accuracy": right.mean(1),
            "whole_accuracy": right.amin(1) * exact,
            "emitted": said.count.float(),
            "ticks": torch.where(said.count < self.config.numbers, thoughts.ticks, last).float(),
            "wait": torch.where(spoken == 0, thoughts.ticks, last / spoken.clamp_min(1)),
        }

    def answer(self, thoughts: Thoughts) -> Tensor:
        return emissions(thoughts.logits, self.config.numbers).classes

    def parse(self, text: str) -> Tensor:
        """As many numbers as the task sorts, with spaces or commas between them; equal ones are allowed."""
        words = text.replace(",", " ").split()
        try:
            numbers = torch.tensor([[float(word) for word in words]])
        except ValueError:
            raise DataError(f"{_shown(text)}: expected numbers, with spaces or commas between them") from None
        if len(words) != self.config.numbers:
            raise DataError(f"{_shown(text)}: {len(words)} numbers; expected {self.config.numbers}")
        if not numbers.isfinite().all():
            raise DataError(f"{_shown(text)}: expected finite numbers, that fit into 32 bits")
        return numbers

    def format_answer(self, answer: Tensor) -> str:
        places = ("-" if place == self.config.numbers else str(place + 1) for place in answer.tolist())
        return " ".join(places) + " (places in the list, counted from 1)"

    def comment(self, thoughts: Thoughts, inputs: Tensor) -> str:
        said = emissions(thoughts.logits, self.config.numbers)
        count, numbers = int(said.count), inputs[0]
        places = said.classes[0, :count]  # of those said, at most N
        values = numbers[places]
        right = count == len(numbers) == len(places.unique()) and bool((values.diff() >= 0).all())
        verdict = "in order" if right else f"wrong, should be {_spelt(numbers.sort().values)}"
        last = f", the last one at tick {int(said.ticks.max())} of {thoughts.ticks}" if count else ""
        return f"sorted: {_spelt(values)} ({verdict})\nsaid: {count} of {len(numbers)} numbers{last}"

    def animate(self, thoughts: Thoughts, inputs: Tensor, target: Tensor | None) -> "Iterator[np.ndarray]":
        from ctm.tasks.sort.figures import sorting_frames

        return sorting_frames(inputs[0], thoughts.logits[0])

    def figures(self, thoughts: Thoughts, samples: Batch) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.sort.figures import sorting_picture

        yield "demonstration", sorting_picture(samples.inputs[:4], emissions(thoughts.logits, self.config.numbers))

    def evaluation_figures(self, model: ContinuousThoughtMachine) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.sort.figures import generalization, generalization_picture, waits_picture

        inputs, _ = next(iter(self.evaluation("test", self.config.evaluation_samples)))
        with torch.inference_mode():
            yield "waits", waits_picture(inputs, emissions(model(inputs).logits, self.config.numbers))
        yield "generalization", generalization_picture(generalization(model))


def _spelt(numbers: Tensor) -> str:
    return " ".join(f"{number:.4g}" for number in numbers.tolist())


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "…")
