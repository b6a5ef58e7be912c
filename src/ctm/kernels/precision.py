"""Which precision is used for what: products in that of autocast, sums over ticks and entropies in float32 at least."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precisions become float32, others stay: what synchronization, entropies and losses are computed in."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def autocast_dtype(like: Tensor) -> torch.dtype:
    """What matrix products are computed in: the precision of autocast where it is on, else that of `like`."""
    device = like.device.type
    on = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if on else like.dtype
