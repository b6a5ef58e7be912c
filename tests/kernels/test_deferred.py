"""Operands shared by all ticks: the gradients of autograd, however the graph is walked."""

import hypothesis.strategies as st
import torch
from hypothesis import given
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ctm.kernels.deferred import ENOUGH, SharedProduct

GRID = st.tuples(st.booleans(), st.booleans(), st.integers(1, 5))


def loop(product, x: Tensor, ticks: int) -> Tensor:
    for _ in range(ticks):
        x = torch.tanh(product(x))
    return x


def operands(batched: bool, biased: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    batch = (3,) if batched else ()
    weight = torch.randn(*batch, 4, 4, dtype=torch.float64).requires_grad_()
    x = torch.randn(*batch, 2, 4, dtype=torch.float64).requires_grad_()
    bias = torch.randn(4, dtype=torch.float64).requires_grad_() if biased else None
    return weight, x, bias


def plain(weight: Tensor, bias: Tensor | None):
    return lambda x: x @ weight if bias is None else x @ weight + bias


@given(grid=GRID)
def test_gradients_are_those_of_autograd(grid):
    batched, biased, ticks = grid
    weight, x, bias = operands(batched, biased and not batched)
    inputs = [tensor for tensor in (weight, x, bias) if tensor is not None]
    expected = torch.autograd.grad(loop(plain(weight, bias), x, ticks).square().sum(), inputs)
    found = torch.autograd.grad(loop(SharedProduct(weight, bias), x, ticks).square().sum(), inputs)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_many_ticks_settle_in_several_products():
    weight = (torch.randn(8, 8, dtype=torch.float64) / 3).requires_grad_()
    x = torch.randn(2, 8, dtype=torch.float64)
    ticks = ENOUGH + 7  # two rows of notes a tick
    expected = torch.autograd.grad(loop(plain(weight, None), x, ticks).sum(), weight)
    found = torch.autograd.grad(loop(SharedProduct(weight), x, ticks).sum(), weight)
    torch.testing.assert_close(found, expected)


def test_walks_over_the_same_graph_do_not_mix():
    weight, x, bias = operands(batched=False, biased=True)
    loss = loop(SharedProduct(weight, bias), x, 3).square().sum()
    first = torch.autograd.grad(loss, [weight, bias], retain_graph=True)
    torch.autograd.grad(loss, [x], retain_graph=True)  # leaves notes that nobody collects
    again = torch.autograd.grad(loss, [weight, bias])
    torch.testing.assert_close(again, first)


def test_an_unused_part_of_the_loop_gives_nothing():
    weight, x, _ = operands(batched=False, biased=False)
    product = SharedProduct(weight)
    early = product(x)
    product(early)  # a later tick that the loss does not see
    torch.testing.assert_close(
        torch.autograd.grad(early.sum(), weight), torch.autograd.grad((x @ weight).sum(), weight)
    )


def test_works_under_activation_checkpointing():
    weight, x, bias = operands(batched=False, biased=True)
    product, y = SharedProduct(weight, bias), x
    for _ in range(3):
        y = checkpoint(lambda value: torch.tanh(product(value)), y, use_reentrant=False)
    found = torch.autograd.grad(y.square().sum(), [weight, x, bias])
    expected = torch.autograd.grad(loop(plain(weight, bias), x, 3).square().sum(), [weight, x, bias])
    torch.testing.assert_close(found, expected)


def test_frozen_weights_get_no_gradient_but_pass_it_on():
    weight, x, _ = operands(batched=False, biased=False)
    weight.requires_grad_(False)
    loop(SharedProduct(weight), x, 2).sum().backward()
    assert weight.grad is None
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


@given(grid=GRID)
def test_second_derivatives_are_those_of_autograd(grid):
    batched, biased, ticks = grid
    weight, x, bias = operands(batched, biased and not batched)
    inputs = [tensor for tensor in (weight, x, bias) if tensor is not None]

    def derivatives(product):
        loss = loop(product, x, ticks).square().sum()
        first = torch.autograd.grad(loss, inputs, create_graph=True)
        return torch.autograd.grad(sum(grad.square().sum() for grad in first), inputs)

    torch.testing.assert_close(derivatives(SharedProduct(weight, bias)), derivatives(plain(weight, bias)))


def test_a_gradient_of_the_weight_alone_can_be_differentiated():
    """Noted and summed up it would be a constant, and the second derivative silently less."""
    weight, x, _ = operands(batched=False, biased=False)
    (grad,) = torch.autograd.grad(SharedProduct(weight)(x).sum(), weight, create_graph=True)
    torch.testing.assert_close(torch.autograd.grad(grad.sum(), x), (torch.full_like(x, weight.shape[1]),))
