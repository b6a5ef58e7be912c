"""What pictures are like: their sizes, colours, brightness and contrast, found out by a look at some of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ctm.config import Config
from ctm.errors import ConfigError, DataError

if TYPE_CHECKING:
    from ctm.tasks.images.decoding import Frame
    from ctm.tasks.images.pictures import Pictures

LARGEST = 64
"""Sides of pictures that are not all of one size, unless the configuration says otherwise."""
EXAMINED = 1000
"""Training pictures that are looked at to find out sizes, colours, brightness and contrast."""


@dataclass(frozen=True)
class LearnedPictures(Config):
    """What is known of the pictures once they have been looked at: enough to use a trained model without them."""

    classes: tuple[str, ...]
    """Their names."""
    height: int
    """Of what the model sees, in pixels."""
    width: int
    """Of what the model sees."""
    resize: int
    """Length of the shorter side before a part of this height and width is cut out."""
    channels: int
    """1 for grey, 3 for colours."""
    one_size: bool
    """Whether all pictures have this height and width by themselves."""
    mean: tuple[float, ...]
    """Of each channel over the training pictures, black being 0 and white 1."""
    deviation: tuple[float, ...]
    """Its standard deviation."""

    @property
    def frame(self) -> "Frame":
        """What is made of every picture."""
        from ctm.tasks.images.decoding import Frame

        return Frame(self.height, self.width, self.resize, self.channels)


def learn(
    pictures: "Pictures",
    size: int | None,
    resize: int | None,
    colours: bool | None,
    mean: tuple[float, ...] | None,
    deviation: tuple[float, ...] | None,
    replace: bool,
) -> LearnedPictures:
    """What some pictures are like.

    Args:
        pictures: to train on.
        size, resize, colours, mean, deviation: as in `Images.Config`; nothing for what is to be found out.
        replace: whether broken pictures are replaced.

    Raises:
        ConfigError: if mean or deviation are not of as many channels.
        DataError: if none of the pictures can be read, or one that must not be replaced.
    """
    from ctm.tasks.images.data import some
    from ctm.tasks.images.decoding import Frame
    from ctm.tasks.images.reading import Reader

    places = some(pictures, EXAMINED)
    sizes, grey = _sizes_and_colours(pictures, places[: EXAMINED // 5].tolist())
    if not sizes:
        reader = Reader(pictures, Frame(1, 1, 1, 3), replace=replace, report=False)
        reader.read(places[:1])  # says what is wrong with it
        raise DataError(f"{pictures.name(0)}: not a picture that can be read, nor are others of the data set")
    (width, height), one_size = sizes[0], len(set(sizes)) == 1
    if size is None:
        one_size = one_size and max(sizes[0]) <= LARGEST
    else:
        one_size = one_size and sizes[0] == (size, size) and resize in (None, size)
    if not one_size:
        width = height = size or min(LARGEST, sorted(map(min, sizes))[len(sizes) // 2])
    channels = 3 if colours or (colours is None and not grey) else 1
    frame = Frame(height, width, resize or min(height, width), channels)
    _require_channels("mean", mean, channels)
    _require_channels("deviation", deviation, channels)
    if mean is None or deviation is None:
        pixels, _ = Reader(pictures, frame, replace=replace, report=False).read(places)  # training reports them
        levels = torch.arange(256).double() / 255
        counts = torch.stack([channel.flatten().bincount(minlength=256) for channel in pixels.unbind(1)])  # (C, 256)
        shares = counts / counts.sum(1, keepdim=True).double()
        measured = shares @ levels  # (C,)
        spread = (shares * (levels - measured[:, None]) ** 2).sum(1).sqrt()  # (C,)
        mean = tuple(measured.tolist()) if mean is None else mean
        deviation = tuple(torch.where(spread > 1e-6, spread, 1.0).tolist()) if deviation is None else deviation
    return LearnedPictures(pictures.classes, height, width, frame.resize, channels, one_size, mean, deviation)


def _sizes_and_colours(pictures: "Pictures", places: list[int]) -> tuple[list[tuple[int, int]], bool]:
    """Widths and heights of those that can be read, and whether all of these are grey."""
    from ctm.tasks.images.decoding import is_grey, upright

    sizes, grey = [], True
    for place in places:
        try:
            with pictures.open(place) as picture:
                sizes.append(upright(picture, 3).size)
                grey = grey and is_grey(picture)
        except Exception:  # whatever is wrong with it is said when it is read
            continue
    return sizes, grey


def _require_channels(name: str, values: tuple[float, ...] | None, channels: int) -> None:
    if values is not None and len(values) != channels:
        kind = "grey pictures" if channels == 1 else "pictures in colours"
        raise ConfigError(f"task.{name} = {list(values)}: expected {channels} for {kind}")
