"""Products with one matrix again and again, by the fastest kernels that PyTorch has for them.

On a CPU, PyTorch multiplies float32 matrices with MKL, which uses AVX-512 on one maker's processors only. Its other
library, oneDNN, uses it everywhere, and keeps a matrix in the order in which it is read.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ctm.kernels.tracing import traced

FEWEST_ROWS = 4
FEWEST_WEIGHTS = 2**15
"""Below these the call costs more than the product."""


class PackedWeight:
    """The right packed of many products.

    Args:
        weight: (in, out), or (b, in, out) for batches of products.

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
            x: (n, in) or (b, n, in).
            bias: (out,); only for a single matrix.
        """
        if traced() or not self.fast or len(x) < FEWEST_ROWS or torch.is_grad_enabled():
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


def precisions() -> list[torch.dtype]:
    """In which precisions oneDNN multiplies better than MKL; none where PyTorch comes without one of them (ARM)."""
    operators = torch.ops.mkldnn
    if not torch.backends.mkl.is_available() or not torch.backends.mkldnn.is_available():
        return []
    if not all(hasattr(operators, name) for name in ("_linear_pointwise", "_reorder_linear_weight")):
        return []
    half = hasattr(operators, "_is_mkldnn_bf16_supported") and operators._is_mkldnn_bf16_supported()
    return [torch.float32, torch.bfloat16] if half else [torch.float32]


def _by_onednn(like: Tensor) -> bool:
    """Whether oneDNN multiplies matrices of this kind, and well."""
    real = type(like) in (Tensor, nn.Parameter) and like.device.type == "cpu" and not traced()
    return real and like.dtype in precisions()
