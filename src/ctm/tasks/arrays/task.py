"""What is it? Labels for vectors, series and maps of the user's."""

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ctm.config import Config
from ctm.errors import ConfigError, DataError
from ctm.inputs import Inputs
from ctm.machine import MachineConfig
from ctm.randomness import shuffled
from ctm.tasks.adaptation import adapted
from ctm.tasks.arrays import files
from ctm.tasks.arrays.samples import Label, Samples, encoded, numbers
from ctm.tasks.base import Batch, Split, Task, TaskConfig
from ctm.tasks.in_memory import InMemoryTask
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Splits(NamedTuple):
    """All samples."""

    train: Samples
    validation: Samples
    test: Samples


@dataclass(frozen=True)
class Learned(Config):
    """What is known of the data once they have been read: enough to use a trained model without them."""

    input_shape: tuple[int, ...]
    """(features,), (time, channels) or (H, W, C)."""
    answer: tuple[int, ...]
    """Nothing for a label a sample, [positions] for one at each position."""
    classes: tuple[int | str, ...]
    """The labels, sorted."""
    mean: tuple[float, ...]
    """Of each channel, or feature, over the samples to train on."""
    deviation: tuple[float, ...]
    """Its standard deviation; 1 where all values are the same."""
    columns: tuple[str, ...] = ()
    """Names of the features of a table."""

    @property
    def channels_first(self) -> tuple[int, ...]:
        """The shape of a sample as the model takes it."""
        return (self.input_shape[-1], *self.input_shape[:-1])


class Arrays(Task):
    """Labels for inputs that the model takes normalised, channels first: (B, features), (B, C, time), (B, C, H, W)."""

    @dataclass(frozen=True)
    class Config(TaskConfig, kind="arrays"):
        """Arrays of an .npz, or a table as .csv or .parquet."""

        train: str | None = None
        """File of the samples to learn from."""
        validation: str | None = None
        """File of those to choose the best checkpoint on; nothing to hold a share of `train` out."""
        test: str | None = None
        """File of those to report scores of; nothing to hold a share of `train` out."""
        inputs_name: str = "x"
        """The inputs in an .npz: (N, features), (N, time, channels) or (N, H, W, C)."""
        targets_name: str = "y"
        """The labels in an .npz, whole numbers or text: (N,), or (N, positions)."""
        target: str | None = None
        """The column of labels in a table; all other columns are features."""
        validation_share: float = 0.1
        """Share of the samples of `train`, without those for testing, that is held out if there is no `validation`."""
        test_share: float = 0.2
        """Share that is held out if there is no `test`."""
        split_seed: int = 0
        """Which samples these are; the same for all seeds of training."""
        learned: Learned | None = dataclasses.field(default=None, metadata={"option": False})
        """What the data are like, found out when a run is made."""

        def validate(self) -> None:
            for name in ("validation_share", "test_share"):
                self.require(0 < getattr(self, name) < 1, name, "between 0 and 1")

        @property
        def answer_shape(self) -> tuple[int, ...] | None:
            return None if self.learned is None else (*self.learned.answer, len(self.learned.classes))

        def check(self, model: MachineConfig, ticks: int) -> None:
            if self.learned is not None and model.backbone.adapted(self.learned.channels_first) != model.backbone:
                shape = list(self.learned.channels_first)
                raise ConfigError(f"model.backbone = {model.backbone.to_dict()}: expected one for inputs {shape}")

        def read(self) -> Splits:
            """All samples.

            Raises:
                ConfigError: if no file is named.
                DataError: if they are missing or broken.
            """
            if self.train is None:
                raise ConfigError("task.train: missing: name a file, as in --task.train my.npz")
            train, validation, test = (
                None if path is None else files.read(Path(path), (self.inputs_name, self.targets_name), self.target)
                for path in (self.train, self.validation, self.test)
            )
            return self.split(train, validation, test)  # ty: ignore[invalid-argument-type]

        def split(self, train: Samples, validation: Samples | None, test: Samples | None) -> Splits:
            """Holds out what is not given.

            Raises:
                DataError: if there are too few samples.
            """
            if test is None:
                train, test = _held_out(train, self.test_share, self.split_seed)
            if validation is None:
                train, validation = _held_out(train, self.validation_share, self.split_seed)
            return Splits(train, validation, test)

        def fitted(self, model: MachineConfig) -> tuple["Arrays.Config", MachineConfig]:
            paths = {name: getattr(self, name) for name in Splits._fields}
            absolute = {name: path and str(Path(path).absolute()) for name, path in paths.items()}
            return self.replace(**absolute).fitted_to(self.read(), model)

        def fitted_to(self, splits: Splits, model: MachineConfig) -> tuple["Arrays.Config", MachineConfig]:
            """The task and a model that suit some samples.

            Raises:
                DataError: if these do not go together.
            """
            learned = _learn(splits.train)
            for samples in splits:
                _tensors(samples, learned)
            answer_shape = (*learned.answer, len(learned.classes))
            return self.replace(learned=learned), adapted(model, learned.channels_first, answer_shape)

        def build(self) -> "Arrays":
            return Arrays(self)

    def __init__(self, config: "Arrays.Config") -> None:
        if config.learned is None:
            raise ConfigError("task.learned: missing: experiment.fitted() finds out what the data are like")
        self.config = config
        self.learned: Learned = config.learned
        self.shows_attention = self._is_picture

    @property
    def _is_picture(self) -> bool:
        """Whether inputs can be shown, grey or in colours, with one label."""
        shape = self.learned.input_shape
        return len(shape) == 3 and shape[-1] in (1, 3) and not self.learned.answer

    @functools.cached_property
    def samples(self) -> InMemoryTask:
        """The data, which are read when they are needed first, so that a trained model can be used without them."""
        train, validation, test = (_tensors(samples, self.learned) for samples in self.config.read())
        return InMemoryTask(self.config, train, validation, test)

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        return self.samples.batch(seed, iteration, size)

    def evaluation(self, split: Split, size: int) -> Iterator[Batch]:
        return self.samples.evaluation(split, size)

    def inputs(self, values: np.ndarray, where: str = "x") -> Tensor:
        """What the model takes, from an array of samples (N, …) of the shape of those it learned from.

        Args:
            values: as in a file, not normalised.
            where: what to call them in messages.

        Raises:
            DataError: if they are of another shape, no numbers, or not finite.
        """
        return _normalised(numbers(where, values), self.learned, where)

    def names(self, answers: Tensor) -> np.ndarray:
        """The labels of classes, of the same shape."""
        return np.array(self.learned.classes)[answers.cpu().numpy()]

    def read(self, path: Path) -> Inputs:
        """A sample, or the first of several, as .npy or .npz; or a text of its numbers."""
        if path.suffix not in (".npy", ".npz"):
            return super().read(path)
        values = files.read_array(path, self.config.inputs_name)
        return self.inputs(values[None] if values.ndim == len(self.learned.input_shape) else values, str(path))[:1]

    def parse(self, text: str) -> Tensor:
        try:
            values = np.array([float(word) for word in text.replace(",", " ").split()])
        except ValueError as error:
            raise DataError(f"{error}: expected numbers") from None
        shape = self.learned.input_shape
        if len(values) != np.prod(shape):
            raise DataError(f"{len(values)} numbers: expected {np.prod(shape)}, for a sample of shape {shape}")
        return self.inputs(values.reshape(1, *shape), "numbers")

    def format_answer(self, answer: Tensor) -> str:
        return " ".join(map(str, self.names(answer.flatten()).tolist()))

    def animate(self, thoughts: Thoughts, inputs: Tensor, target: Tensor | None) -> Iterator[np.ndarray]:
        if not self._is_picture:
            return iter(())
        from ctm.analysis.looking import looking_frames

        right = None if target is None else int(target)
        return looking_frames(thoughts, self._visible(inputs[0]), right, labels=self._labels, steps=2)

    def figures(self, thoughts: Thoughts, samples: Batch) -> Iterator[tuple[str, "Figure"]]:
        if self._is_picture:
            from ctm.analysis.looking import looking

            picture, right = self._visible(samples.inputs[0]), int(samples.targets[0])
            yield "attention", looking(thoughts, picture, right, labels=self._labels)

    @property
    def _labels(self) -> list[str]:
        return list(map(str, self.learned.classes))

    def _visible(self, seen: Tensor) -> Tensor:
        """What the model sees of a map, (C, H, W), as brightness from 0 to 1."""
        low, high = seen.amin(), seen.amax()
        return (seen - low) / (high - low).clamp_min(1e-6)


def _held_out(samples: Samples, share: float, seed: int) -> tuple[Samples, Samples]:
    """The samples to keep and those to hold out, at random, about `share` of them."""
    count = len(samples.targets)
    held = max(1, round(share * count))
    if held >= count:
        raise DataError(f"{samples.source}: {count} samples, {held} of them held out: none are left to train on")
    order = shuffled(count, seed, 0, count).numpy()
    return samples.take(np.sort(order[held:])), samples.take(np.sort(order[:held]))


def _learn(train: Samples) -> Learned:
    """What the samples to train on are like."""
    classes: tuple[Label, ...] = tuple(np.unique(train.targets).tolist())
    if len(classes) < 2:
        raise DataError(
            f"{train.source}: {train.names[1]}: all labels are {classes[0]!r}: expected two or more classes"
        )
    axes = tuple(range(train.inputs.ndim - 1))
    mean, deviation = train.inputs.mean(axes, dtype=np.float64), train.inputs.std(axes, dtype=np.float64)
    deviation[deviation < 1e-12 * np.maximum(1, abs(mean))] = 1
    return Learned(
        train.inputs.shape[1:], train.targets.shape[1:], classes, tuple(mean.tolist()), tuple(deviation.tolist()),
        train.columns,
    )  # fmt: skip


def _tensors(samples: Samples, learned: Learned) -> Batch:
    """Normalised inputs and classes.

    Raises:
        DataError: if the samples are not like those that were learned from.
    """
    x, y = (f"{samples.source}: {name}" for name in samples.names)
    if samples.columns != learned.columns:
        expected = ", ".join(learned.columns) or "none"
        raise DataError(f"{x}: columns {', '.join(samples.columns) or 'none'}: expected {expected}, as to train on")
    if samples.targets.shape[1:] != learned.answer:
        positions = learned.answer[0] if learned.answer else "one"
        raise DataError(f"{y}: shape {samples.targets.shape}: expected {positions} labels a sample, as to train on")
    inputs = _normalised(samples.inputs, learned, x)
    return Batch(inputs, torch.from_numpy(encoded(samples, learned.classes)))


def _normalised(values: np.ndarray, learned: Learned, where: str) -> Tensor:
    """Samples (N, …) as the model takes them, channels first."""
    if values.shape[1:] != learned.input_shape or not len(values):
        expected = ", ".join(map(str, learned.input_shape))
        raise DataError(f"{where}: shape {values.shape}: expected (N, {expected}), as to train on")
    scaled = (values - np.array(learned.mean)) / np.array(learned.deviation)
    return torch.from_numpy(scaled.astype(np.float32)).movedim(-1, 1).contiguous()
