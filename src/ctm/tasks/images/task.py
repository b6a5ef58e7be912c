"""What is in a picture? One label for each, from data sets of any size."""

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor

from ctm.errors import ConfigError, DataError
from ctm.machine import MachineConfig
from ctm.randomness import generator
from ctm.tasks.adaptation import adapted
from ctm.tasks.base import Batch, Rows, Split, Task, TaskConfig
from ctm.tasks.images.augmentation import Augmentation, ResizedCrop
from ctm.tasks.images.learned import LearnedPictures, learn
from ctm.thoughts import Thoughts

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from ctm.tasks.images.data import Splits
    from ctm.tasks.images.reading import Reader

TRAIN_SAMPLE = 2000
"""Training pictures, always the same ones, that an evaluation of "train" looks at."""


class Images(Task):
    """What is in a picture? Inputs are pictures (B, C, H, W), normalised by mean and deviation of each channel.

    Args:
        config: with what was learned of the pictures.
        whole: evaluate on whole pictures, resized as they are before the square in their middle is cut out, each in a
            batch of its own; for a model that takes pictures of any shape.
    """

    shows_attention = True

    @dataclass(frozen=True)
    class Config(TaskConfig, kind="images"):
        """Pictures with one label each."""

        data: str | None = None
        """A folder with a subfolder of pictures for each class; or a folder or .parquet in the schema of the Hugging
        Face hub, a name on the hub, a folder of MNIST's four files, or "digits", which come with scikit-learn."""
        train_split: str | None = None
        """Which split of the data to learn from; nothing for "train"."""
        validation_split: str | None = None
        """Which to choose the best checkpoint on; nothing for "validation" or "val", or else a share of the training
        pictures."""
        test_split: str | None = None
        """Which to report scores of; nothing for "test", or else a share of the training pictures."""
        validation_share: float = 0.1
        """Share of the training pictures, without those for testing, that is held out where there is no split to
        validate on."""
        test_share: float = 0.2
        """Share that is held out where there is no split for testing."""
        split_seed: int = 0
        """Which pictures these are; the same for all seeds of training."""
        picture_column: str | None = None
        """The column of pictures in data of the hub; nothing for the only one."""
        label_column: str | None = None
        """The column of labels; nothing for the only one."""
        size: int | None = None
        """Sides of what the model sees; nothing for pictures as they are if they are all of one size up to 64x64, and
        squares of at most 64 if not."""
        resize: int | None = None
        """Length of the shorter side before the square in the middle is cut out; nothing for `size`."""
        colours: bool | None = None
        """Whether the model sees colours; nothing for yes if any picture has them."""
        mean: tuple[float, ...] | None = None
        """What is taken off each channel, black being 0 and white 1; nothing for its mean over training pictures."""
        deviation: tuple[float, ...] | None = None
        """What it is then divided by; nothing for its standard deviation."""
        augmentations: tuple[Augmentation, ...] = ()
        """How training pictures are changed at random, in this order."""
        replacement: bool = False
        """Draw training pictures with replacement, each time from all, instead of epoch after epoch."""
        streaming: bool = False
        """Read the pictures of a data set in Parquet files, as of the hub, in passing, instead of fetching all of it
        before: for ImageNet."""
        buffer: int = 1000
        """Pictures that are mixed with each other while streaming, and that are held in memory for that, as stored."""
        drawings: bool = False
        """Whether pictures are bright strokes on dark ground: a user's own is then inverted if it is the other way, and
        padded instead of cropped."""
        keep: float = 2.0
        """Gigabytes: as long as all decoded pictures of a split take no more, they stay in memory; unless streamed."""
        broken: Literal["replace", "stop"] = "replace"
        """What to do about a picture that cannot be read: take the next one instead and say so, or stop."""
        learned: LearnedPictures | None = dataclasses.field(default=None, metadata={"option": False})
        """What the pictures are like, found out when a run is made."""

        def validate(self) -> None:
            for name in ("validation_share", "test_share"):
                self.require(0 < getattr(self, name) < 1, name, "between 0 and 1")
            splits = ("train_split", "validation_split", "test_split")
            for place, name in enumerate(splits):
                others = [getattr(self, other) for other in splits[:place]]
                repeated = getattr(self, name) is not None and getattr(self, name) in others
                self.require(not repeated, name, "a split for each purpose")
            self.require(self.data != "", "data", "a folder or a name, or nothing")
            self.require(self.size is None or self.size >= 1, "size", "at least 1, or nothing")
            least = self.size or 1
            self.require(self.resize is None or self.resize >= least, "resize", f"at least size = {least}, or nothing")
            self.require(self.resize is None or self.size is not None, "resize", "nothing, as size is")
            self.require(self.keep >= 0, "keep", "0 or more")
            self.require(self.buffer >= 1, "buffer", "at least 1")
            self.require(not (self.streaming and self.replacement), "replacement", "false while streaming")
            for name in ("mean", "deviation"):
                values = getattr(self, name)
                self.require(values is None or len(values) in (1, 3), name, "1 or 3 numbers, or nothing")
            self.require(self.deviation is None or min(self.deviation) > 0, "deviation", "above 0")
            crops = [isinstance(augmentation, ResizedCrop) for augmentation in self.augmentations]
            self.require(not any(crops[1:]), "augmentations", "resized_crop as the first, if at all")
            first = self.augmentations[0] if self.augmentations else None
            if isinstance(first, ResizedCrop) and first.size != self.size:
                raise ConfigError(f"size = {self.size}: expected that of resized_crop in augmentations")

        @property
        def answer_shape(self) -> tuple[int, ...] | None:
            return None if self.learned is None else (len(self.learned.classes),)

        @property
        def comparable(self) -> tuple[Any, ...]:
            return self.kind, self.data, self.test_split, self.test_share, self.split_seed

        def check(self, model: MachineConfig, ticks: int) -> None:
            if self.learned is not None:
                shape = (self.learned.channels, self.learned.height, self.learned.width)
                if model.backbone.adapted(shape) != model.backbone:
                    found = f"model.backbone = {model.backbone.to_dict()}"
                    raise ConfigError(f"{found}: expected one for pictures {list(shape)}")

        def splits(self) -> "Splits":
            """All pictures.

            Raises:
                ConfigError: if no data are named.
                DataError: if they are missing or broken.
            """
            from ctm.tasks.images.data import find, split
            from ctm.tasks.images.stream import find_streams

            if self.data is None:
                raise ConfigError("task.data: missing: name a folder of pictures, as in --task.data my/pictures")
            columns = self.picture_column, self.label_column
            found = find_streams(self.data, *columns, self.buffer) if self.streaming else find(self.data, *columns)
            names = {"train": self.train_split, "validation": self.validation_split, "test": self.test_split}
            return split(self.data, found, names, (self.validation_share, self.test_share), self.split_seed)

        def fitted(self, model: MachineConfig) -> tuple["Images.Config", MachineConfig]:
            task, splits = self, self.splits()
            if self.data is not None and Path(self.data).expanduser().exists():
                task = self.replace(data=str(Path(self.data).expanduser().absolute()))
            learned = self.learn(splits)
            shape = (learned.channels, learned.height, learned.width)
            if model.backbone.adapted(shape) is None:
                raise ConfigError(
                    f"model.backbone.kind = {model.backbone.kind!r}: takes no pictures of {learned.channels} channels; "
                    "--task.colours gives grey pictures three"
                )
            return task.replace(learned=learned), adapted(model, shape, (len(learned.classes),))

        def example(self, batch: int) -> Tensor | None:
            if self.learned is not None:
                return torch.zeros(batch, self.learned.channels, self.learned.height, self.learned.width)
            known = self.size is not None and self.colours is not None
            return torch.zeros(batch, 3 if self.colours else 1, self.size, self.size) if known else None

        def build(self) -> "Images":
            return Images(self if self.learned is not None else self.replace(learned=self.learn(self.splits())))

        def learn(self, splits: "Splits") -> LearnedPictures:
            """What the training pictures are like, as far as nothing is said here.

            Raises:
                DataError: if they cannot be read.
            """
            replace, scale = self.broken == "replace", (self.mean, self.deviation)
            return learn(splits.train, self.size, self.resize, self.colours, *scale, replace)

    def __init__(self, config: "Images.Config", whole: bool = False) -> None:
        assert config.learned is not None
        self.config: Images.Config = config
        self.whole = whole
        self.learned: LearnedPictures = config.learned

    @functools.cached_property
    def splits(self) -> "Splits":
        """The pictures, which are looked for when they are needed first, so that a model can be used without them.

        Raises:
            DataError: if they are missing, or have other classes than when the run was made.
        """
        splits = self.config.splits()
        if (found := splits.train.classes) != self.learned.classes:
            raise DataError(
                f"{self.config.data}: classes {_listed(found)}: expected {_listed(self.learned.classes)}, as when the "
                "run was made"
            )
        return splits

    @functools.cached_property
    def readers(self) -> "dict[Split, Reader]":
        """What reads each split."""
        from ctm.tasks.images.reading import Reader

        frame, config = self.learned.frame, self.config
        readers: dict[Split, Reader] = {}
        for split in get_args(Split):
            pictures = getattr(self.splits, split)
            bytes_of_all = len(pictures) * frame.channels * frame.height * frame.width
            keep = bytes_of_all <= config.keep * 2**30 and not (split == "train" and self._crop is not None)
            keep = keep and not config.streaming  # whose labels are only known while they are read
            readers[split] = Reader(pictures, frame, keep, config.broken == "replace")
        return readers

    def open_data(self) -> None:
        _ = self.readers  # whose memory the processes then share

    @property
    def _crop(self) -> ResizedCrop | None:
        """What chooses the part of a picture while it is decoded, since pictures of many sizes are no batch yet."""
        first = self.config.augmentations[0] if self.config.augmentations else None
        return first if isinstance(first, ResizedCrop) and not self.learned.one_size else None

    def batch(self, seed: int, iteration: int, size: int) -> Batch:
        rows = Rows(seed, iteration, size, 0, size)
        return self.augmented(self.part(rows), rows)

    def part(self, rows: Rows) -> Batch:
        """Pictures as bytes (B, C, H, W)."""
        reader, crop = self.readers["train"], self._crop
        count = len(reader.pictures)
        if self.config.replacement:
            source = generator(rows.seed, "pictures", rows.iteration)
            chosen = torch.randint(count, (rows.size,), generator=source)
        else:
            chosen = reader.pictures.shuffled(rows.seed, rows.iteration * rows.size, rows.size)
        draws = None if crop is None else self._draws(crop, 0, rows)
        return Batch(*reader.read(chosen[rows.start : rows.stop], crop, draws))

    def augmented(self, part: Batch, rows: Rows) -> Batch:
        pictures = part.inputs
        for place, augmentation in enumerate(self.config.augmentations):
            if augmentation is not self._crop:
                pictures = augmentation.apply(pictures, self._draws(augmentation, place, rows))
        return Batch(self.normalised(pictures), part.targets)

    def _draws(self, augmentation: Augmentation, place: int, rows: Rows) -> Tensor:
        """The random numbers of an augmentation for some rows."""
        source = generator(rows.seed, "augmentation", place, rows.iteration)
        return augmentation.draw(rows.size, source)[rows.start : rows.stop]

    def evaluation(self, split: Split, size: int) -> Sequence[Batch]:
        from ctm.tasks.images.data import some
        from ctm.tasks.images.reading import EvaluationPictures, Reader

        reader = self.readers[split]
        count = len(reader.pictures)
        indices = some(reader.pictures, TRAIN_SAMPLE) if split == "train" else torch.arange(count)
        if self.whole:
            reader, size = Reader(reader.pictures, reader.frame, replace=reader.replace, whole=True), 1
        return EvaluationPictures(reader, indices, size, self._finished)

    def _finished(self, pictures: Tensor, labels: Tensor) -> Batch:
        return Batch(self.normalised(pictures), labels)

    def normalised(self, pictures: Tensor) -> Tensor:
        """What the model sees of bytes (B, C, H, W)."""
        scale = pictures.new_tensor(self.learned.deviation, dtype=torch.float32).view(-1, 1, 1)
        mean = pictures.new_tensor(self.learned.mean, dtype=torch.float32).view(-1, 1, 1)
        return pictures.float() / (255 * scale) - mean / scale

    def sample(self, index: int) -> Batch:
        count = self.count("test")
        if not 0 <= index < count:
            raise DataError(f"index {index}: there are {count} test samples, 0 to {count - 1}")
        return self.chosen("test", torch.tensor([index]))

    def count(self, split: Split) -> int:
        """How many pictures a split has."""
        return len(getattr(self.splits, split))

    def chosen(self, split: Split, indices: Tensor) -> Batch:
        """Some pictures of a split, (B, C, H, W), as the model sees them, and their labels."""
        return self._finished(*self.readers[split].read(indices))

    def read(self, path: Path) -> Tensor:
        """A picture file; of a size that `learned` says, its middle."""
        from PIL import Image

        from ctm.tasks.images.decoding import drawing, upright

        frame = self.learned.frame
        try:
            with Image.open(path) as opened:
                picture = upright(opened, frame.channels)
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except Exception as error:  # Pillow raises many kinds for broken files
            raise DataError(f"{path}: not a picture that can be read ({error})") from None
        pixels = drawing(picture, frame) if self.config.drawings else frame.cut(picture)
        return self.normalised(pixels.unsqueeze(0))

    def format_answer(self, answer: Tensor) -> str:
        return self.learned.classes[int(answer)]

    def animate(self, thoughts: Thoughts, inputs: Tensor, target: Tensor | None) -> "Iterator[np.ndarray]":
        from ctm.analysis.looking import looking_frames

        right = None if target is None else int(target)
        return looking_frames(thoughts, self.visible(inputs[0]), right, labels=self.learned.classes, steps=2)

    def figures(self, thoughts: Thoughts, samples: Batch) -> "Iterator[tuple[str, Figure]]":
        from ctm.analysis.looking import looking

        picture, right = self.visible(samples.inputs[0]), int(samples.targets[0])
        yield "attention", looking(thoughts, picture, right, labels=self.learned.classes)

    def visible(self, seen: Tensor) -> Tensor:
        """What the model sees of a picture, (C, H, W), as brightness from 0 to 1."""
        scale, mean = (seen.new_tensor(values).view(-1, 1, 1) for values in (self.learned.deviation, self.learned.mean))
        return (seen * scale + mean).clamp(0, 1)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", … ({len(names)})" if len(names) > 5 else "")
