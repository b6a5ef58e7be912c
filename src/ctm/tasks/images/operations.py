"""Changes of pictures as Pillow makes them, byte for byte, but for a whole batch, each by an amount of its own.

Pictures are (B, C, H, W), grey (C = 1) or red, green and blue (C = 3); amounts are (B,) on any device.
"""

import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

Pictures = UInt8[Tensor, "B C H W"]
Amounts = Shaped[Tensor, "B"]

_FIXED = 1 << 16
"""Coordinates are multiples of 1 / _FIXED."""


def invert(pictures: Pictures, _: Amounts) -> Pictures:
    """Dark becomes bright."""
    return 255 - pictures


def solarize(pictures: Pictures, thresholds: Amounts) -> Pictures:
    """Inverts what is as bright as the threshold."""
    return torch.where(pictures < _each(thresholds, pictures), pictures, 255 - pictures)


def posterize(pictures: Pictures, bits: Amounts) -> Pictures:
    """Keeps so many bits of each byte, the highest."""
    return pictures & _each(256 - 2 ** (8 - bits.long()), pictures).to(torch.uint8)


def autocontrast(pictures: Pictures, _: Amounts) -> Pictures:
    """Stretches each channel so that its darkest pixel is 0 and its brightest 255."""
    darkest, brightest = (limit(pictures, dim=(2, 3), keepdim=True).double() for limit in (torch.amin, torch.amax))
    scale = torch.full_like(darkest, 255) / (brightest - darkest)  # (B, C, 1, 1); 255 / x is not rounded correctly
    stretched = (pictures * scale + -darkest * scale).clamp(0, 255)
    return torch.where(brightest > darkest, stretched, pictures).to(torch.uint8)


def equalize(pictures: Pictures, _: Amounts) -> Pictures:
    """Spreads each channel so that all levels of brightness are about equally frequent."""
    batch, channels, height, width = pictures.shape
    pixels = pictures.flatten(2).long()  # (B, C, H W)
    rows = 256 * torch.arange(batch * channels, device=pictures.device).view(batch, channels, 1)
    counts = (pixels + rows).flatten().bincount(minlength=256 * batch * channels).view(batch, channels, 256)
    of_brightest = counts.gather(2, pixels.amax(2, keepdim=True))  # (B, C, 1)
    step = (height * width - of_brightest) // 255
    darker = counts.cumsum(2) - counts  # (B, C, 256)
    levels = ((step // 2 + darker) // step.clamp_min(1)).clamp_max(255)
    levels = torch.where(step > 0, levels, torch.arange(256, device=pictures.device))
    return levels.gather(2, pixels).to(torch.uint8).view_as(pictures)


def brightness(pictures: Pictures, factors: Amounts) -> Pictures:
    """Between black (0), the picture (1) and brighter ones."""
    return _blend(torch.zeros_like(pictures), pictures, factors)


def contrast(pictures: Pictures, factors: Amounts) -> Pictures:
    """Between the picture's mean grey (0), the picture (1) and stronger ones."""
    grey = _grey(pictures).flatten(1).long()  # (B, H W)
    mean = (2 * grey.sum(1) + grey.shape[1]) // (2 * grey.shape[1])  # (B,)
    return _blend(mean[:, None, None, None].to(torch.uint8), pictures, factors)


def colour(pictures: Pictures, factors: Amounts) -> Pictures:
    """Between the picture in grey (0), the picture (1) and more colourful ones."""
    return _blend(_grey(pictures), pictures, factors)


def sharpness(pictures: Pictures, factors: Amounts) -> Pictures:
    """Between a smoothed picture (0), the picture (1) and sharper ones; its border stays."""
    if min(pictures.shape[2:]) < 3:
        return pictures
    pixels = pictures.int()
    sums = pixels[:, :, :-2] + pixels[:, :, 1:-1] + pixels[:, :, 2:]  # (B, C, H - 2, W)
    sums = sums[..., :-2] + sums[..., 1:-1] + sums[..., 2:] + 4 * pixels[:, :, 1:-1, 1:-1]  # (B, C, H - 2, W - 2)
    smooth = pictures.clone()
    smooth[:, :, 1:-1, 1:-1] = ((2 * sums + 13) // 26).to(torch.uint8)  # a thirteenth, rounded
    return _blend(smooth, pictures, factors)


def shear_y(pictures: Pictures, slopes: Amounts) -> Pictures:
    """Moves each column up by its distance from the left times the slope."""
    one, zero = torch.ones_like(slopes), torch.zeros_like(slopes)
    return _affine(pictures, (one, zero, zero), (slopes, one, zero))


def translate_x(pictures: Pictures, shares: Amounts) -> Pictures:
    """Moves pictures to the right by a share of their width, in whole pixels."""
    one, zero = torch.ones_like(shares), torch.zeros_like(shares)
    return _affine(pictures, (one, zero, -(shares * pictures.shape[3]).trunc()), (zero, one, zero))


def translate_y(pictures: Pictures, shares: Amounts) -> Pictures:
    """Moves pictures down by a share of their height, in whole pixels."""
    one, zero = torch.ones_like(shares), torch.zeros_like(shares)
    return _affine(pictures, (one, zero, zero), (zero, one, -(shares * pictures.shape[2]).trunc()))


def rotate(pictures: Pictures, degrees: Amounts) -> Pictures:
    """Turns pictures around their middle, counter-clockwise."""
    y, x = (side / 2 for side in pictures.shape[2:])
    cosine, sine = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    return _affine(pictures, (cosine, -sine, x - cosine * x + sine * y), (sine, cosine, y - sine * x - cosine * y))


def _affine(pictures: Pictures, columns: tuple[Tensor, ...], rows: tuple[Tensor, ...]) -> Pictures:
    """Looks every pixel up at the nearest place that an affine map sends it to; what lies outside is black.

    Args:
        pictures: (B, C, H, W).
        columns: how much of the pixel's own column, of its row and of 1 is its source's column; each (B,).
        rows: the same for its source's row.
    """
    height, width = pictures.shape[2:]
    column, row = (_source(map_, height, width).to(pictures.device) for map_ in (columns, rows))  # (B, H, W)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    places = (row * width + column).where(inside, 0).flatten(1).unsqueeze(1)  # (B, 1, H W)
    found = pictures.flatten(2).gather(2, places.expand(-1, pictures.shape[1], -1)).view_as(pictures)
    return found * inside.unsqueeze(1)


def _source(map_: tuple[Tensor, ...], height: int, width: int) -> Int64[Tensor, "B _H _W"]:
    """A coordinate of the source of every pixel, from the middle of the pixel, in fixed point."""
    of_column, of_row, constant = map_
    constant = constant + of_column * 0.5 + of_row * 0.5
    of_column, of_row, constant = (
        (part * _FIXED + 0.5).floor().long()[:, None, None] for part in (*map_[:2], constant)
    )
    places = torch.arange(max(height, width), device=of_row.device)
    return (constant + of_column * places[:width] + of_row * places[:height, None]) // _FIXED


def _blend(low: Tensor, high: Pictures, factors: Amounts) -> Pictures:
    """low + factor (high - low), between 0 and 255, without what comes after the point."""
    low, high = low.float(), high.float()
    return (low + _each(factors, high).float() * (high - low)).clamp(0, 255).to(torch.uint8)


def _grey(pictures: Pictures) -> UInt8[Tensor, "B 1 H W"]:
    """How bright colours look (ITU-R BT.601)."""
    if pictures.shape[1] == 1:
        return pictures
    if pictures.shape[1] != 3:
        raise ValueError(f"pictures of {pictures.shape[1]} channels: expected 1, grey, or 3, red, green and blue")
    red, green, blue = pictures.int().split(1, dim=1)
    return ((19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16).to(torch.uint8)


def _each(amounts: Amounts, pictures: Tensor) -> Tensor:
    return amounts.to(pictures.device)[:, None, None, None]  # (B, 1, 1, 1)
