"""When PyTorch looks on at what is computed, to make something else of it: then only its own operators will do."""

import torch
from torch.autograd import forward_ad


def traced() -> bool:
    """Whether tensors may have no values, and functions have to be pure: inside `torch.compile` and `torch.export`,
    the transforms of `torch.func`, forward-mode derivatives, and `torch.jit.trace`."""
    if torch.compiler.is_compiling():
        return True
    transformed = torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0
    return transformed or torch.jit.is_tracing()
