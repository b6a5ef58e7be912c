"""When PyTorch looks on at what is computed, to make something else of it: then only its own operators will do."""

import torch
from torch.autograd import forward_ad


def traced() -> bool:
    """Whether functions have to be pure, and tensors may have no values: inside `torch.compile`, `torch.export` and
    `torch.jit.trace`, and where `transformed`."""
    return torch.compiler.is_compiling() or transformed() or torch.jit.is_tracing()


def transformed() -> bool:
    """Whether functions are transformed, by `torch.func` or forward-mode derivatives, and not compiled."""
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
