"""Where attention lies: maps of any shape made smooth, their centres, and the path these take over ticks."""

import torch
from torch import Tensor
from torch.nn import functional as F

STRONGEST = 0.02
"""The share of a map whose centre of mass counts as where attention lies."""


def smooth(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (…, h, w) at another resolution, (…, H, W), bilinearly; each token covers its cell."""
    flat = maps.float().reshape(-1, 1, *maps.shape[-2:])
    flat = F.interpolate(flat, size=size, mode="bilinear", align_corners=False)
    return flat.reshape(*maps.shape[:-2], *size)


def contrast(maps: Tensor) -> Tensor:
    """Scales every map (…, h, w) to run from 0 to 1; a map that is all but constant stays close to 0."""
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (maps - low) / torch.maximum(high - low, 0.05 * high.abs()).clamp_min(1e-12)


def centre(maps: Tensor) -> Tensor:
    """Where attention lies: the centre of mass of the strongest few percent of each map.

    Args:
        maps: (…, h, w), not negative.

    Returns:
        (…, 2), x and y as fractions of width and height, from left and top; the middle for a constant map.
    """
    maps = smooth(maps, (64, 64))
    bound = maps.flatten(-2).quantile(1 - STRONGEST, dim=-1)[..., None, None]
    all_of_it = 1e-6 * maps.amax((-2, -1), keepdim=True).clamp_min(1e-12)  # counts only where nothing stands out
    weight = (maps - bound).clamp_min(0) + all_of_it  # (…, 64, 64)
    weight = weight / weight.sum((-2, -1), keepdim=True)
    place = (torch.arange(64, device=maps.device) + 0.5) / 64
    return torch.stack([(weight.sum(-2) * place).sum(-1), (weight.sum(-1) * place).sum(-1)], dim=-1)


def as_maps(attention: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Attention over L tokens, (…, L), as maps (…, H, W); a sequence becomes a single row.

    Raises:
        ValueError: if the grid does not have L cells in one or two dimensions.
    """
    height, width = (1, *grid)[-2:] if len(grid) in (1, 2) else (0, 0)
    if height * width != attention.shape[-1]:
        raise ValueError(f"grid = {grid}: expected a map or a sequence of {attention.shape[-1]} tokens")
    return attention.unflatten(-1, (height, width))
