"""For every position of a sequence of +1 and -1: is the number of -1 up to here odd?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor

from ctm.errors import DataError
from ctm.tasks.base import Batch
from ctm.tasks.generated import GeneratedTask, GeneratedTaskConfig
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


class Parity(GeneratedTask):
    """Sequences (B, L) of signs, drawn on the fly; the answer is a class at each of L positions, 1 for odd."""

    primary_metric = "whole_accuracy"
    shows_attention = True

    @dataclass(frozen=True)
    class Config(GeneratedTaskConfig, kind="parity"):
        """Cumulative parity."""

        length: int = 64
        """L, length of a sequence."""

        def validate(self) -> None:
            super().validate()
            self.require(self.length >= 1, "length", "at least 1")

        @property
        def answer_shape(self) -> tuple[int, ...]:
            return (self.length, 2)

        def build(self) -> "Parity":
            return Parity(self)

    def draw(self, size: int, source: Generator) -> Batch:
        """Random sequences and their parities."""
        signs = torch.randint(2, (size, self.config.length), generator=source) * 2 - 1  # (B, L)
        return Batch(signs.float(), parities(signs))

    def scores(self, thoughts: Thoughts, targets: Tensor) -> dict[str, Tensor]:
        """The scores of every task, and "accuracy_by_position" (B, L) of the most certain tick."""
        right = (thoughts.at("most_certain").argmax(-1) == targets).float()  # (B, L)
        return super().scores(thoughts, targets) | {"accuracy_by_position": right}

    def parse(self, text: str) -> Tensor:
        """Signs, + and -, as many as the task is long; white space does not count."""
        text = "".join(text.split())
        if set(text) - {"+", "-"} or len(text) != self.config.length:
            shown = text if len(text) <= 40 else text[:40] + "…"
            raise DataError(f"{shown!r}: expected {self.config.length} signs, each + or -")
        return torch.tensor([[1.0 if sign == "+" else -1.0 for sign in text]])

    def format_answer(self, answer: Tensor) -> str:
        return "".join("eo"[parity] for parity in answer.tolist()) + " (e even, o odd)"

    def animate(self, thoughts: Thoughts, inputs: Tensor, target: Tensor | None) -> "Iterator[np.ndarray]":
        from ctm.tasks.parity.figures import parity_frames

        signs = inputs[0]
        return parity_frames(signs, parities(signs), thoughts.logits[0], thoughts.recorded.attention[0])

    def training_figures(self, metrics: Sequence[Mapping[str, Any]]) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.parity.figures import learned_positions

        lines = [line for line in metrics if line.get("split") == "validation" and "accuracy_by_position" in line]
        if lines:  # runs from before this score have none
            iterations = [line["iteration"] for line in lines]
            yield (
                "learned",
                learned_positions(iterations, torch.tensor([line["accuracy_by_position"] for line in lines])),
            )

    def figures(self, thoughts: Thoughts, samples: Batch) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.parity.figures import accuracy_by_position, parity_picture

        signs, targets = samples
        record = thoughts.recorded
        yield "trajectories", parity_picture(signs[0], targets[0], thoughts.logits[0], record.attention[0])
        right = (thoughts.logits.argmax(-1) == targets.unsqueeze(1)).float()  # (B, T, L)
        yield "positions", accuracy_by_position(right.mean(0), record.attention.mean((0, 2)))


def parities(signs: Tensor) -> Tensor:
    """(…, L) of +1 and -1 to (…, L): 1 where the number of -1 up to and including this position is odd, else 0."""
    return (signs < 0).long().cumsum(-1) % 2
