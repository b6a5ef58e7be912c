"""How much arithmetic a training step is, and how much this machine can do: the distance to the limit.

Counted are matrix products and convolutions, two operations for each multiplication with its addition.
"""

import math

import torch
from cases import Case, over_ticks
from steps import PRECISIONS, Bench, Variant, alternate
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from ctm.kernels.packed import PackedWeight

Shape = tuple[int, ...]

SIZE = {"cpu": 1024, "cuda": 8192}
"""Width of square matrices large enough to show the limit of a device."""

REPEATS = 15


def added_product(total: Shape, left: Shape, right: Shape, **_: object) -> int:
    """Operations of adding a product of matrices to a total, given all shapes."""
    return 2 * math.prod(left) * right[-1]


IN_PLACE = {torch.ops.aten.addmm_: added_product, torch.ops.aten.baddbmm_: added_product}
"""What the counter of PyTorch overlooks."""


def operations(case: Case, machine: str) -> int:
    """Floating-point operations of a training step of "oracle" or "ours"."""

    def count(case: Case) -> int:
        with FakeTensorMode(), FlopCounterMode(display=False, custom_mapping=IN_PLACE) as counter:
            Bench(case, "cpu").step(Variant(machine, "fp32"))
        return counter.get_total_flops()

    return over_ticks(count, case)


def product_rate(precision: str, device: str) -> float:
    """Floating-point operations a second of one large matrix product, at best: by the fastest library there is."""
    size, dtype = SIZE[device], dict(zip(PRECISIONS, (torch.float32, torch.bfloat16), strict=True))[precision]
    left, right, product = (torch.randn(size, size, device=device).to(dtype) for _ in range(3))
    factor = PackedWeight(right)
    works = {"default": lambda: torch.mm(left, right, out=product), "ours": lambda: factor.product(left)}
    with torch.no_grad():
        taken = alternate(works, REPEATS, device)
    return 2 * size**3 / min(min(times) for times in taken.values())
