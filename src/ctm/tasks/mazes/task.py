"""From the picture of a maze, the route through it as a sequence of moves."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from ctm.errors import DataError
from ctm.losses import CurriculumLoss, LossConfig
from ctm.machine import ContinuousThoughtMachine
from ctm.randomness import generator, shuffled
from ctm.tasks.base import Batch, Split, Task, TaskConfig
from ctm.tasks.mazes.generate import draw
from ctm.tasks.mazes.generated import generated
from ctm.tasks.mazes.grid import WAIT, Grids, padded, pictures
from ctm.tasks.mazes.published import parse, read_folder, read_hub, read_picture
from ctm.tasks.mazes.store import Store
from ctm.tasks.mazes.symmetry import augmented
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

ARROWS = "↑↓←→·"
"""How the moves are written: up, down, left, right and waiting."""
TRAIN_SAMPLE = 2000
"""How many training mazes an evaluation of "train" looks at."""


class Mazes(Task):
    """Pictures (B, 3, S, S) of mazes; the answer is one of five moves at each step of the route.

    The score "whole_accuracy" is the solve rate: all moves right, those that wait at the end included.
    """

    primary_metric = "whole_accuracy"
    shows_attention = True

    @dataclass(frozen=True)
    class Config(TaskConfig, kind="mazes"):
        """Mazes, generated or published."""

        size: int = 39
        """S, pixels of a side; odd."""
        least_size: int | None = None
        """Learn from mazes of all odd sizes from this one to `size`, each batch of one of them; nothing for `size`
        alone, of which validation and test are in any case."""
        route_length: int = 100
        """Moves of an answer: longer routes are cut, shorter ones end with waiting."""
        train_mazes: int = 45_000
        """How many mazes are generated to train on."""
        validation_mazes: int = 1_000
        """How many mazes are generated to choose the best checkpoint on; of published ones, as many training
        mazes are held out, but at most a tenth."""
        test_mazes: int = 5_000
        """How many mazes are generated to be tested on; none of them is trained on, in whatever orientation."""
        data_seed: int = 0
        """Which mazes are generated."""
        cache: str | None = None
        """Folder that keeps generated mazes; nothing for `ctm/mazes` in your cache folder."""
        folder: str | None = None
        """Folder of published mazes instead, with train/ and test/ in it and pictures in these."""
        dataset: str | None = None
        """Published mazes on the Hugging Face hub instead, such as "ciaran-regan-ie/mazes-large"."""
        signed: bool = False
        """Whether pictures run from -1 to 1, instead of from 0 to 1."""
        augment: bool = True
        """Turn and mirror training mazes at random."""
        loss: LossConfig = CurriculumLoss()
        """What training minimises."""

        def validate(self) -> None:
            self.require(self.size % 2 == 1 and 5 <= self.size <= 255, "size", "odd, from 5 to 255")
            for name in ("route_length", "train_mazes", "validation_mazes", "test_mazes"):
                self.require(getattr(self, name) >= 1, name, "at least 1")
            self.require(self.folder is None or self.dataset is None, "folder", "nothing where dataset is given")
            if self.least_size is not None:
                drawn = self.folder is None and self.dataset is None
                self.require(
                    drawn, "least_size", "nothing where folder or dataset is given, whose mazes are of one size"
                )
                below = self.least_size % 2 == 1 and 5 <= self.least_size < self.size
                self.require(below, "least_size", f"odd, from 5 and below size = {self.size}")

        @property
        def answer_shape(self) -> tuple[int, ...]:
            return (self.route_length, 5)

        def inputs(self, seen: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B 3 S S"]:
            """What the model takes, for pictures that run from 0 to 1."""
            return seen * 2 - 1 if self.signed else seen

        def example(self, batch: int) -> Float[Tensor, "B 3 S S"]:
            return torch.zeros(batch, 3, self.size, self.size)

        def build(self) -> "Mazes":
            return Mazes(self)

    def __init__(self, config: "Mazes.Config") -> None:
        self.config = config
        self.stores = _found(config)
        train = self.stores["train"]
        order = shuffled(len(train), seed=0, start=0, count=min(TRAIN_SAMPLE, len(train)))
        self._evaluated = self.stores | {"train": train.take(order.numpy())}
        self._learned = [train, *_smaller(config)]

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        which = torch.randint(len(self._learned), (), generator=generator(seed, "size", iteration))
        store = self._learned[int(which)]
        grids = store.grids(shuffled(len(store), seed, iteration * size, size).numpy())
        seen, moves = pictures(grids.open, grids.start, grids.goal), grids.moves
        if self.config.augment:
            seen, moves = augmented(seen, moves, generator(seed, "symmetry", iteration))
        return Batch(self.config.inputs(seen), padded(moves, self.config.route_length))

    def evaluation(self, split: Split, size: int) -> Iterator[Batch]:
        store = self._evaluated[split]
        for first in range(0, len(store), size):
            grids = store.grids(slice(first, first + size))
            seen = pictures(grids.open, grids.start, grids.goal)
            yield Batch(self.config.inputs(seen), padded(grids.moves, self.config.route_length))

    def page_samples(self, count: int) -> dict[str, Batch]:
        """Mazes of the size trained on, and of about twice that, for which the model thinks several times."""
        trained, larger = self.config.size, 2 * self.config.size + 1
        mazes = draw(count, larger, generator("page", 0, larger))
        seen = self.config.inputs(pictures(mazes.open, mazes.start, mazes.goal))
        return {
            f"{trained} × {trained}": next(iter(self.evaluation("test", count))),
            f"{larger} × {larger}": Batch(seen, padded(mazes.moves, self.config.route_length)),
        }

    def scores(self, thoughts: Thoughts, targets: Tensor) -> dict[str, Tensor]:
        """The scores of every task, and of the most certain tick "route_accuracy", which leaves the waiting out, and
        "accuracy_by_step", (B, moves)."""
        right = (thoughts.at("most_certain").argmax(-1) == targets).float()  # (B, moves)
        moving = (targets != WAIT).float()
        route_accuracy = (right * moving).sum(1) / moving.sum(1)
        return super().scores(thoughts, targets) | {"route_accuracy": route_accuracy, "accuracy_by_step": right}

    def read(self, path: Path) -> Tensor:
        """A picture of a maze, of any odd size, a pixel for each cell, with or without its solution in blue."""
        grids = read_picture(path)
        return self.config.inputs(pictures(grids.open, grids.start, grids.goal))

    def format_answer(self, answer: Tensor) -> str:
        return "".join(ARROWS[move] for move in answer.tolist()).rstrip(ARROWS[WAIT]) or "no move"

    def animate(self, thoughts: Thoughts, inputs: Tensor, target: Tensor | None) -> "Iterator[np.ndarray]":
        from ctm.tasks.mazes.figures import maze_frames

        return maze_frames(thoughts, self.maze(inputs[0]))

    def figures(self, thoughts: Thoughts, samples: Batch) -> "Iterator[tuple[str, Figure]]":
        from ctm.tasks.mazes.figures import maze_picture

        yield "route", maze_picture(thoughts, self.maze(samples.inputs[0]))

    def evaluation_figures(self, model: ContinuousThoughtMachine) -> "Iterator[tuple[str, Figure]]":
        from ctm.analysis.by_length import Measured, score_by_length

        lengths, scores = self.tested([model])
        shown = {"moves right": "route_accuracy", "mazes solved": "whole_accuracy"}
        yield "lengths", score_by_length({name: Measured(lengths, scores[score]) for name, score in shown.items()})

    def comparison_figures(
        self, models: Mapping[str, Sequence[ContinuousThoughtMachine]]
    ) -> "Iterator[tuple[str, Figure]]":
        from ctm.analysis.by_length import Measured, score_by_length

        tested = {name: self.tested(seeds) for name, seeds in models.items()}
        solved = {name: Measured(lengths, scores["whole_accuracy"]) for name, (lengths, scores) in tested.items()}
        yield "lengths", score_by_length(solved, "Mazes solved")

    @torch.inference_mode()
    def tested(self, models: Sequence[ContinuousThoughtMachine]) -> tuple[Tensor, dict[str, Tensor]]:
        """The lengths of the routes of all test mazes, and all scores, of one model after the other."""
        lengths, scores = [], []
        for model in models:
            for inputs, targets in self.evaluation("test", 256):
                lengths.append((targets != WAIT).sum(1))
                scores.append(self.scores(model(inputs), targets))
        return torch.cat(lengths), {name: torch.cat([score[name] for score in scores]) for name in scores[0]}

    def maze(self, seen: Float[Tensor, "3 S S"]) -> Grids:
        """The maze that the model sees, (1, S, S), with the route through it."""
        picture = (seen + 1) / 2 if self.config.signed else seen
        return parse((picture.permute(1, 2, 0) * 255).byte().cpu().numpy(), "input")


def _smaller(config: Mazes.Config) -> list[Store]:
    """The mazes to learn from that are smaller than those of the tests, a store for each size."""
    sizes = () if config.least_size is None else range(config.least_size, config.size, 2)
    return [
        _found(config.replace(size=size, least_size=None, validation_mazes=1, test_mazes=1))["train"] for size in sizes
    ]


def _found(config: Mazes.Config) -> dict[Split, Store]:
    if config.folder is not None:
        return held_out(read_folder(config.folder, config.size), config.validation_mazes)
    if config.dataset is not None:
        return held_out(read_hub(config.dataset, config.size), config.validation_mazes)
    cache = None if config.cache is None else Path(config.cache)
    counts: dict[Split, int] = {
        "train": config.train_mazes,
        "validation": config.validation_mazes,
        "test": config.test_mazes,
    }
    return generated(config.size, counts, config.data_seed, cache)


def held_out(published: dict[Split, Store], most: int) -> dict[Split, Store]:
    """Published mazes, with some of the training mazes held out as validation split.

    Raises:
        DataError: if there are too few.
    """
    train = published["train"]
    count = min(most, len(train) // 10) or 1
    if len(train) <= count:
        raise DataError(f"{len(train)} training mazes: expected at least 2, since some are held out for validation")
    order = shuffled(len(train), seed=0, start=0, count=len(train)).numpy()
    return {"train": train.take(order[count:]), "validation": train.take(order[:count]), "test": published["test"]}
