"""Weights that hooks compute before a module is called: pruned ones, and the older kinds of normalised ones."""

from typing import Any

from torch import nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


def computes_weight(hook: Any) -> bool:
    """Whether a hook does nothing but compute a weight, by `torch.nn.utils.prune`, `weight_norm` or `spectral_norm`."""
    return isinstance(hook, BasePruningMethod | SpectralNorm | WeightNorm)


def compute_weights(*parts: nn.Module) -> None:
    """Has such weights computed in parts that are prepared and stepped instead of being called."""
    for part in parts:
        for module in part.modules():
            for hook in module._forward_pre_hooks.values():
                if computes_weight(hook):
                    hook(module, ())
