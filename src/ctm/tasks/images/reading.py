"""Reading pictures: decoded when they are needed, kept if there is room, replaced if they are broken."""

import logging
import mmap
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from PIL import Image
from torch import Tensor

from ctm.errors import DataError
from ctm.tasks.images.augmentation import ResizedCrop
from ctm.tasks.images.decoding import Box, Frame, upright
from ctm.tasks.images.pictures import Pictures, Unreachable

MOST_BROKEN = 100
"""Pictures in a row that may be broken."""
_UNREAD, _KEPT, _BROKEN = range(3)

log = logging.getLogger(__name__)


class Reader:
    """Gives pictures as bytes of one size.

    What it keeps is shared with worker processes that were forked from this one.

    Args:
        pictures: what to read.
        frame: what to make of each.
        keep: whether to keep all that was read.
        replace: whether the next picture takes the place of one that is broken, after a line in the log.
        report: whether that line is written.
        whole: show all of each picture, of any shape, instead of what the frame cuts out; then `read` takes one at a
            time, and none is kept.
    """

    def __init__(
        self,
        pictures: Pictures,
        frame: Frame,
        keep: bool = False,
        replace: bool = True,
        report: bool = True,
        whole: bool = False,
    ) -> None:
        self.pictures, self.frame, self.replace, self.report, self.whole = pictures, frame, replace, report, whole
        self._states = _shared(len(pictures))  # (N,)
        shape = (len(pictures), frame.channels, frame.height, frame.width)
        self._kept = _shared(*shape) if keep and not whole else None  # (N, C, H, W)

    def __reduce__(self) -> tuple[Any, ...]:
        return Reader, (self.pictures, self.frame, self._kept is not None, self.replace, self.report, self.whole)

    @property
    def broken(self) -> int:
        """How many pictures were found to be broken."""
        return int((self._states == _BROKEN).sum())

    def read(
        self, indices: Int64[Tensor, "B"], crop: ResizedCrop | None = None, draws: Tensor | None = None
    ) -> tuple[UInt8[Tensor, "B C H W"], Int64[Tensor, "B"]]:
        """Some pictures, and their labels.

        Args:
            indices: which.
            crop: how to choose the part of each picture that is shown; by default it is its middle.
            draws: the random numbers of `crop` for each of them.

        Raises:
            DataError: for one that is broken and must not be replaced, or too many that are.
        """
        if self._kept is not None and bool((self._states[indices] == _KEPT).all()):
            return self._kept[indices], self.pictures.labels[indices]
        pixels, labels = [], []
        for place, index in enumerate(indices.tolist()):
            picture, found = self._whole(index)
            if isinstance(picture, Image.Image):
                box = None
                if crop is not None and draws is not None:
                    box = _box(crop, draws[place], picture)
                picture = self._cut(picture, found, box)
            pixels.append(picture)
            labels.append(self.pictures.label(found))
        return torch.stack(pixels), torch.tensor(labels)

    def decoded(self, index: int) -> Image.Image:
        """A picture as people see it, of its own size.

        Raises:
            DataError: if it is broken.
        """
        try:
            with self.pictures.open(index) as picture:
                return upright(picture, self.frame.channels)
        except Unreachable:
            raise
        except Exception as error:  # Pillow raises many kinds for broken files
            raise DataError(f"{self.pictures.name(index)}: not a picture that can be read ({error})") from None

    def _whole(self, index: int) -> tuple[Image.Image | Tensor, int]:
        """A picture, or as it was kept, or the next that is not broken; and which it is."""
        first: DataError | None = None
        tries = min(MOST_BROKEN, len(self.pictures))
        for found in range(index, index + tries):
            found %= len(self.pictures)
            if self._kept is not None and self._states[found] == _KEPT:
                return self._kept[found], found
            try:
                return self.decoded(found), found
            except DataError as error:
                if not self.replace:
                    raise
                self._count(found, error)
                first = first or error
        raise DataError(f"{first}; nor can any of the {tries - 1} after it")

    def _count(self, index: int, error: DataError) -> None:
        if self._states[index] != _BROKEN:
            self._states[index] = _BROKEN
            if self.report:
                log.warning("%s; the next one takes its place (%d so far)", error, self.broken)

    def _cut(self, picture: Image.Image, index: int, box: Box | None) -> Tensor:
        pixels = self.frame.whole(picture) if self.whole else self.frame.cut(picture, box)
        if self._kept is not None:
            self._kept[index] = pixels
            self._states[index] = _KEPT
        return pixels


def _box(crop: ResizedCrop, draws: Tensor, picture: Image.Image) -> Box:
    size = torch.tensor([[picture.height, picture.width]])
    top, left, height, width = crop.boxes(draws.unsqueeze(0), size)[0].double().tolist()
    return left, top, left + width, top + height


def _shared(*shape: int) -> Tensor:
    """Zeros, uint8, in memory that forked processes share, and that is taken only where something was written."""
    size = max(1, torch.Size(shape).numel())
    return torch.frombuffer(mmap.mmap(-1, size), dtype=torch.uint8)[: torch.Size(shape).numel()].view(shape)


class EvaluationPictures(Sequence):
    """Batches of pictures, each read when it is asked for.

    Args:
        reader: of the pictures.
        indices: which, in order.
        size: of a batch.
        finish: makes of bytes (B, C, H, W) and labels a batch.
    """

    def __init__(self, reader: Reader, indices: Tensor, size: int, finish: Any) -> None:
        self.reader, self.batches, self.finish = reader, indices.split(size), finish

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: Any) -> Any:
        return self.finish(*self.reader.read(self.batches[index]))
