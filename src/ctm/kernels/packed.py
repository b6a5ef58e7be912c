"""Products with one matrix again and again, by the fastest kernels that PyTorch has for them.

On a CPU, PyTorch multiplies float32 matrices with MKL, which uses AVX-512 on one maker's processors only. Its other
library, oneDNN, uses it everywhere, and keeps a matrix in the order in which it is read.
"""

from typing import Any

import torch
from torch import Tensor, nn

FEWEST_ROWS = 4
FEWEST_WEIGHTS = 2**15
"""Below these the call costs more than the product."""


class PackedWeight:
    """The right packed of many products.

    Args:
        weight: (K, P), or (b, K, P) for batches of products.

    Attributes:
        fast: whether oneDNN multiplies.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        self._used = False
        self._ordered: Any = None
        self.fast = weight.dim() == 2 and weight.numel() >= FEWEST_WEIGHTS and _by_onednn(weight)

    def product(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        """x @ weight + bias; differentiable, but fast only where no gradient is asked for.

        Args:
            x: (n, K) or (b, n, K).
            bias: (P,); only for a single matrix.
        """
        if torch.compiler.is_compiling() or not self.fast or len(x) < FEWEST_ROWS or torch.is_grad_enabled():
            if x.dim() == 3:
                return torch.bmm(x, self.weight)
            return torch.mm(x, self.weight) if bias is None else torch.addmm(bias, x, self.weight)
        if self._used and self._ordered is None:  # who comes twice comes often
            self._ordered = torch.ops.mkldnn._reorder_linear_weight(self.weight.t().contiguous(), len(x))
        self._used = True
        weight = self.weight.t() if self._ordered is None else self._ordered
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def add_product(total: Tensor, first: Tensor, second: Tensor) -> None:
    """total += first @ second, of matrices or batches of matrices, summed in the precision of the total."""
    if total.dim() == 2 and PackedWeight(second).fast:
        total.add_(PackedWeight(second).product(first))
    elif total.dtype != first.dtype:
        total.add_(first @ second)
    elif total.dim() == 2:
        total.addmm_(first, second)
    else:
        total.baddbmm_(first, second)


def _by_onednn(like: Tensor) -> bool:
    """Whether oneDNN multiplies matrices of this kind, and well."""
    operators = torch.ops.mkldnn
    real = type(like) in (Tensor, nn.Parameter) and like.device.type == "cpu" and not torch.compiler.is_compiling()
    if not real or not torch.backends.mkldnn.is_available():
        return False
    if not (hasattr(operators, "_linear_pointwise") and hasattr(operators, "_reorder_linear_weight")):
        return False
    return like.dtype == torch.float32 or (like.dtype == torch.bfloat16 and operators._is_mkldnn_bf16_supported())
