"""What the training engine asks of a task: batches, a loss, scores."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from torch import Tensor

from ctm.config import Config
from ctm.errors import DataError
from ctm.inputs import Inputs, slice_batch
from ctm.losses import LossConfig, TwoTickLoss
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.tasks.checks import check_batch
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

Split = Literal["train", "validation", "test"]
"""Samples to learn from, to choose checkpoints and thresholds on, and to report scores of."""


class Batch(NamedTuple):
    """Some samples."""

    inputs: Any  # (B, …), or a tuple of several such tensors where the model takes several
    targets: Tensor  # (B, *answer)


class Rows(NamedTuple):
    """Some samples of a training batch: those of a process, or of a micro-batch."""

    seed: int
    """Of the training."""
    iteration: int
    size: int
    """Samples of the whole batch, over all processes."""
    start: int
    """The first of these samples in it."""
    stop: int
    """The one after the last."""


@dataclass(frozen=True)
class BaseTaskConfig(Config):
    """Base of everything that can be learned: from samples (`TaskConfig`), or by acting (`ctm.tasks.control`)."""

    acts: ClassVar[bool] = False
    """Whether it is learned by acting in environments, and not from samples."""

    @property
    @abstractmethod
    def answer_shape(self) -> tuple[int, ...] | None:
        """(*answer, C), the shape of the logits that a model must give at a tick; nothing if only the data say it."""

    @property
    def comparable(self) -> tuple[Any, ...]:
        """What tasks must have in common for their scores to be compared."""
        return self.kind, self.answer_shape

    def check(self, model: MachineConfig, ticks: int) -> None:
        """Raises `ConfigError` if a machine cannot do the task, or not in so few ticks; its answers have the shape."""

    def fitted(self, model: MachineConfig) -> tuple["BaseTaskConfig", MachineConfig]:
        """This task with what it learns from its data, and the model adapted to that; once, before a run is created.

        By default both stay as they are.

        Raises:
            DataError: if the data are missing or broken.
        """
        return self, model

    def example(self, batch: int) -> Inputs | None:
        """Inputs of the shapes and types that a model gets in training, of any values, for `ctm.count`.

        By default nothing: then the task is fitted to its data, and gives a training batch.
        """
        return None

    @abstractmethod
    def build(self) -> Any:
        """Makes the task, for a way of learning that can learn it.

        Raises:
            DataError: if its data are missing or broken.
        """


@dataclass(frozen=True)
class TaskConfig(BaseTaskConfig):
    """Base of the supervised tasks: where data come from and what a good answer is."""

    loss: LossConfig = TwoTickLoss()
    """What training minimises."""

    @abstractmethod
    def build(self) -> "Task":
        """Finds the data.

        Raises:
            DataError: if they are missing or broken.
        """


class Task(ABC):
    """A supervised task. All randomness is a function of the arguments, so a run can be resumed exactly."""

    config: Any
    primary_metric: str = "accuracy"
    """The score that decides which checkpoint is the best; higher is better."""
    emits: bool = False
    """Whether an answer is emitted piece by piece; then no tick has one of its own, and no certainty ends a thought."""
    shows_attention: bool = False
    """Whether its pictures show where a model looks, so that there are none of a model that sees all at once."""

    @abstractmethod
    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        """The training batch of an iteration, of exactly `size` samples."""

    @abstractmethod
    def evaluation(self, split: Split, size: int) -> Iterable[Batch]:
        """The fixed evaluation samples of a split, in batches of at most `size`, in the same order every time.

        What has a length and gives a batch for its number (a `Sequence`) is read by several processes at a time.
        """

    def open_data(self) -> None:  # noqa: B027
        """Finds the data, if that is put off until they are needed, before processes that read them ahead are started.

        Raises:
            DataError: if they are missing or broken.
        """

    def part(self, rows: Rows) -> Batch:
        """Some rows of a training batch, as worker processes read them ahead: by default drawn as a whole and cut.

        A task whose samples take time to read reads only these. Pictures may still be bytes: `augmented` comes after.
        """
        batch = self.batch(rows.seed, rows.iteration, rows.size)
        check_batch(self, batch, "batch", rows.size)
        return slice_batch(batch, rows.start, rows.stop)

    def augmented(self, part: Batch, rows: Rows) -> Batch:
        """What the model learns from, made of `part` on the model's device: by default the same.

        Args:
            part: what `part` gave for these rows, or for more of the batch, and then cut to these.
            rows: which these are; a sample is augmented alike, however the batch is cut.
        """
        return part

    def loss(self, thoughts: Thoughts, targets: Tensor) -> Tensor:
        """What training minimises, (): the configured loss."""
        return self.config.loss(thoughts, targets)

    def scores(self, thoughts: Thoughts, targets: Tensor) -> dict[str, Tensor]:
        """What evaluation reports, per sample: each (B,) or (B, T); the evaluation averages over samples.

        There must be an "accuracy" and the `primary_metric`, both (B,).

        By default "accuracy" at the most certain tick, averaged over answer positions, "accuracy_last" at the last
        tick, "accuracy_by_tick", "certainty_by_tick", and for answers of several positions "whole_accuracy", which
        is 1 where all of them are right; of the ticks at which an answer is due.
        """
        thoughts = thoughts.due
        right = (thoughts.logits.argmax(-1) == targets.unsqueeze(1)).float()  # (B, T, *answer)
        right = right.view(*right.shape[:2], -1)  # (B, T, positions)
        chosen = thoughts.most_certain_tick()[:, -1:]  # (B, 1)
        by_tick = right.mean(-1)  # (B, T)
        scores = {
            "accuracy": by_tick.gather(1, chosen).squeeze(1),
            "accuracy_last": by_tick[:, -1],
            "accuracy_by_tick": by_tick,
            "certainty_by_tick": thoughts.certainty,
        }
        if targets.dim() > 1:
            whole = right.amin(-1)  # (B, T)
            scores |= {"whole_accuracy": whole.gather(1, chosen).squeeze(1), "whole_accuracy_by_tick": whole}
        return scores

    def answer(self, thoughts: Thoughts) -> Tensor:
        """The answers given, classes (B, *answer): by default those of the most certain tick."""
        return thoughts.at("most_certain").argmax(-1)

    def read(self, path: Path) -> Inputs:
        """One input, (1, …), from a file of the user's: by default a text that `parse` takes.

        Raises:
            DataError: if it is missing or not what the task takes.
        """
        try:
            return self.parse(path.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read ({error})") from None
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    def parse(self, text: str) -> Inputs:
        """One input, (1, …), from what a user typed.

        Raises:
            DataError: if it is not what the task takes; a task that has no inputs in words takes none.
        """
        raise DataError("this task takes no text; give a file, as in --input FILE")

    def format_answer(self, answer: Tensor) -> str:
        """One answer, classes (*answer), as a person would write it: by default the numbers of the classes."""
        return " ".join(map(str, answer.flatten().tolist()))

    def comment(self, thoughts: Thoughts, inputs: Any) -> str:
        """A line about a single thought and its input (1, …): by default, when it was most certain."""
        tick = thoughts.ticks - thoughts.due.ticks + int(thoughts.due.most_certain_tick()[0, -1])
        return f"most certain at tick {tick + 1} of {thoughts.ticks}: {thoughts.certainty[0, tick].item():.3f}"

    def animate(self, thoughts: Thoughts, inputs: Any, target: Tensor | None) -> Iterator["np.ndarray"]:
        """Frames (H, W, 3) of the machine thinking about a single sample: by default none.

        Args:
            thoughts: of a batch of one, recorded.
            inputs: (1, …).
            target: (*answer), if known.
        """
        return iter(())

    def figures(self, thoughts: Thoughts, samples: Batch) -> Iterator[tuple[str, "Figure"]]:
        """Named pictures that only this task has, of recorded thoughts about some samples: by default none."""
        return iter(())

    def training_figures(self, metrics: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, "Figure"]]:
        """Named pictures of how training went, from all lines of a run's metrics: by default none."""
        return iter(())

    def evaluation_figures(self, model: ContinuousThoughtMachine) -> Iterator[tuple[str, "Figure"]]:
        """Named pictures for which a model is put to further tests: by default none."""
        return iter(())

    def comparison_figures(
        self, models: Mapping[str, Sequence[ContinuousThoughtMachine]]
    ) -> Iterator[tuple[str, "Figure"]]:
        """Named pictures of several models side by side, each trained with several seeds: by default none."""
        return iter(())

    def page_samples(self, count: int) -> Mapping[str, Batch]:
        """What the page in the browser offers to choose from, of every size of input that it takes, by name.

        By default the first test samples, of one size.

        Args:
            count: how many, at most.
        """
        return {"": next(iter(self.evaluation("test", count)))}

    def page_data(self, model: ContinuousThoughtMachine) -> dict[str, Any]:
        """What only the page of this task needs, as plain data and NumPy arrays: by default nothing.

        Args:
            model: what thinks in the page.

        The page itself is the module `page.js` beside the one that defines the task's configuration.
        """
        return {}

    def sample(self, index: int) -> Batch:
        """The test sample of an index, as a batch of one.

        Raises:
            DataError: if there are not so many.
        """
        seen = 0
        for batch in self.evaluation("test", 1000):
            if 0 <= index - seen < len(batch.targets):
                return slice_batch(batch, index - seen, index - seen + 1)
            seen += len(batch.targets)
        raise DataError(f"index {index}: there are {seen} test samples, 0 to {seen - 1}")
