"""Products by oneDNN: the numbers of PyTorch's own, in all layouts."""

import pytest
import torch

from ctm.kernels.packed import FEWEST_ROWS, FEWEST_WEIGHTS, PackedWeight, add_product

SIZES = ((FEWEST_ROWS, 256, 160), (64, 256, 160), (FEWEST_ROWS - 1, 256, 160), (8, 4, 4))


@pytest.mark.parametrize(("rows", "inputs", "outputs"), SIZES)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("strided", [False, True])
def test_products_are_those_of_pytorch(rows, inputs, outputs, precision, strided):
    weight, bias = torch.randn(inputs, outputs, dtype=precision), torch.randn(outputs, dtype=precision)
    x = torch.randn(rows, inputs, dtype=precision)
    if strided:
        weight, x = weight.t().contiguous().t(), x.t().contiguous().t()
    factor = PackedWeight(weight)
    assert factor.fast == (inputs * outputs >= FEWEST_WEIGHTS and precision != torch.float64)
    expected = x.double() @ weight.double()
    tolerance = {"rtol": 1e-2, "atol": 0.2} if precision == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-4}
    with torch.no_grad():
        for _ in range(3):  # plain, then with the weight in oneDNN's own order
            torch.testing.assert_close(factor.product(x).double(), expected, **tolerance)
            torch.testing.assert_close(factor.product(x, bias).double(), expected + bias.double(), **tolerance)


def test_where_a_gradient_is_asked_for_it_is_there():
    weight = torch.randn(256, 160, requires_grad=True)
    PackedWeight(weight).product(torch.ones(8, 256)).sum().backward()
    torch.testing.assert_close(weight.grad, torch.full_like(weight, 8))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_products_are_summed_in_the_precision_of_the_total(precision, batch):
    total = torch.full((*batch, 256, 160), 256.0)
    first, second = torch.randn(*batch, 256, 16).to(precision), torch.randn(*batch, 16, 160).to(precision)
    expected = total.double() + first.double() @ second.double()
    add_product(total, first, second)
    torch.testing.assert_close(total.double(), expected, rtol=0, atol=0.15 if precision == torch.bfloat16 else 1e-4)
