"""Pictures made smaller or larger: a box of each, all in two batched products."""

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

_ONE = 1 << 15
"""Weights are multiples of 1 / _ONE, so that products with bytes have exact sums in float32, in whatever order."""


def resize_boxes(
    pictures: UInt8[Tensor, "B C H W"], boxes: Int64[Tensor, "_boxes 4"], size: tuple[int, int]
) -> UInt8[Tensor, "B C _h _w"]:
    """The part of each picture that is in its box, resized like a picture of its own.

    It is interpolated linearly and, where it gets smaller, averaged (antialiasing).

    Args:
        pictures: all of one size.
        boxes: top, left, height and width of one for each picture, or of one for all.
        size: (height, width) of the results.
    """
    top, left, height, width = boxes.unbind(1)
    across = _weights(left, width, size[1], pictures.shape[3]).to(pictures.device)  # (B, w, W)
    down = _weights(top, height, size[0], pictures.shape[2]).to(pictures.device)  # (B, h, H)
    narrow = _rounded(pictures.float().flatten(1, 2) @ across.mT)  # (B, C H, w)
    channels = narrow.unflatten(1, pictures.shape[1:3]).unbind(1)  # each (B, H, w)
    return torch.stack([_rounded(down @ channel).byte() for channel in channels], dim=1)  # (B, C, h, w)


def _weights(start: Tensor, length: Tensor, size: int, pixels: int) -> Float[Tensor, "_boxes _size _pixels"]:
    """What each of `pixels` in a row adds to each of `size` new ones, which share the part from `start`, (B,)."""
    start, length = start.double()[:, None], length.double()[:, None]  # (B, 1)
    scale = length / size
    centre = (start + (torch.arange(size) + 0.5) * scale).float().unsqueeze(2)  # (B, size, 1)
    start, length, scale = (part.float().unsqueeze(2) for part in (start, length, scale))  # (B, 1, 1)
    place = torch.arange(pixels) + 0.5  # (pixels,)
    weights = (place - centre).abs_().div_(scale.clamp_min(1)).neg_().add_(1).clamp_min_(0)  # (B, size, pixels)
    weights *= (place > start) & (place < start + length)
    return weights.div_(weights.sum(-1, keepdim=True) / _ONE).round_().div_(_ONE)


def _rounded(pixels: Tensor) -> Tensor:
    return pixels.add_(0.5).floor_().clamp_(0, 255)
