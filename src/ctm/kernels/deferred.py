"""Operands that every tick uses and no tick changes, with their gradient formed in a few large products.

Autograd gives a weight that is used at T ticks its gradient as T small products, each added to the whole weight. Here a
tick's backward pass only notes what the product needs, and every few ticks the notes become one large product. The
numbers are the same; less is read and written. A backward pass that is itself differentiated (`create_graph=True`)
notes nothing, and goes through PyTorch's own operators.

    product = SharedProduct(weight)             # before the loop
    for …:
        x = product(x)                          # inside: x @ weight
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from ctm.kernels.packed import PackedWeight, add_product
from ctm.kernels.precision import at_least_float32, autocast_dtype
from ctm.kernels.tracing import traced

ENOUGH = 512
"""Columns of notes that make a product large enough."""


class DeferredGradients:
    """What the backward passes of the ticks leave behind, kept apart for each call of `backward`.

    A graph can be walked several times, or only partly (`torch.autograd.grad`): notes of an earlier walk never count.
    """

    def __init__(self) -> None:
        self._walk = -1
        self._notes: Any = None

    def of_this_pass(self, fresh: Any) -> Any:
        """The notes of the current walk; `fresh()` makes them when it has none yet."""
        walk = torch._C._current_graph_task_id()
        if walk != self._walk:
            self._walk, self._notes = walk, fresh()
        return self._notes

    def taken(self) -> Any:
        """The notes of the current walk, if any; they are forgotten."""
        notes = self._notes if torch._C._current_graph_task_id() == self._walk else None
        self._walk, self._notes = -1, None
        return notes


class _DeferredOperands(Function):
    """Where shared operands enter the loop: its backward pass runs after those of all their uses."""

    @staticmethod
    def forward(ctx, notes: DeferredGradients, *operands: Tensor | None):
        ctx.notes = notes
        ctx.set_materialize_grads(False)  # the uses hand back no gradients of their own
        return tuple(None if operand is None else operand.view_as(operand) for operand in operands)

    @staticmethod
    def backward(ctx, *grads):
        notes = ctx.notes.taken()
        return (None, *(grads if notes is None else notes.gradients()))


def defer_gradients(notes: DeferredGradients, *operands: Tensor | None) -> Any:
    """The operands, to be used at every tick by functions that leave their gradients in `notes`."""
    return _DeferredOperands.apply(notes, *operands)


class SharedProduct:
    """A product with a shared weight, and perhaps a shared bias added; of matrices, or of batches of matrices.

    Args:
        weight: (in, out) for x (n, in) -> x @ weight, (n, out); or (b, in, out) for x (b, n, in).
        bias: (out,); only for a single matrix.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        precision = autocast_dtype(weight)
        self.collects = torch.is_grad_enabled() and weight.requires_grad and not traced()
        self.notes = DeferredGradients()
        self.held = defer_gradients(self.notes, weight, bias) if self.collects else (weight, bias)
        self.weight = weight.to(precision)
        self.bias = None if bias is None else bias.to(precision)
        self.packed = PackedWeight(self.weight)
        self.transposed = PackedWeight(self.weight.detach().transpose(-2, -1))

    def __call__(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype)
        collects = self.collects and not traced()
        return _Product.apply(x, self, *self.held) if collects else self.packed.product(x, self.bias)


class _Product(Function):
    @staticmethod
    def forward(ctx, x: Tensor, product: SharedProduct, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)  # the weight only to notice changes in place
        ctx.product = product
        return product.packed.product(x, product.bias)

    @staticmethod
    def backward(ctx, grad: Tensor):  # ty: ignore[incompatible-method-override]
        (x, _), product = ctx.saved_tensors, ctx.product
        if torch.is_grad_enabled():
            return grad @ product.weight.mT, None, x.mT @ grad, None if product.bias is None else grad.sum(0)
        product.notes.of_this_pass(lambda: _ProductGradients(product.weight, product.bias is not None)).add(x, grad)
        if not ctx.needs_input_grad[0]:
            return None, None, None, None
        return product.transposed.product(grad), None, None, None


class _ProductGradients:
    """Inputs and gradients of outputs of some ticks, and the gradient of the operands from those before."""

    def __init__(self, like: Tensor, biased: bool) -> None:
        self.biased = biased
        self.inputs: list[Tensor] = []
        self.grads: list[Tensor] = []
        shape = *like.shape[:-2], like.shape[-1], like.shape[-2]
        self.weight = like.new_zeros(shape, dtype=at_least_float32(like).dtype)  # (…, out, in), as modules keep it
        self.bias: Tensor | None = None

    def add(self, x: Tensor, grad: Tensor) -> None:
        self.inputs.append(x)
        self.grads.append(grad)
        worthwhile = self.weight.numel() > x.numel()  # else joining notes costs more than one more addition
        if not worthwhile or len(self.inputs) * x.shape[-2] >= ENOUGH:
            self.settle()

    def settle(self) -> None:
        """Turns the notes into gradients."""
        x, grad = (notes[0] if len(notes) == 1 else torch.cat(notes, dim=-2) for notes in (self.inputs, self.grads))
        add_product(self.weight, grad.transpose(-2, -1), x)
        if self.biased:
            bias = grad.sum(0, dtype=self.weight.dtype)
            self.bias = bias if self.bias is None else self.bias.add_(bias)
        self.inputs, self.grads = [], []

    def gradients(self) -> tuple[Tensor, Tensor | None]:
        if self.inputs:
            self.settle()
        return self.weight.transpose(-2, -1), self.bias


def linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """A linear layer used once, (…, in) to (…, out), by the same fast products."""
    return SharedProduct(layer.weight.t(), layer.bias)(x.flatten(0, -2)).view(*x.shape[:-1], layer.out_features)


def shared(module: nn.Module) -> Any:
    """A module for use at every tick of a pass: its linear layers collect the gradients of their weights.

    Args:
        module: a linear layer, a sequence of modules, or anything else, which stays as it is.

    Returns:
        what is called like the module.
    """
    if isinstance(module, nn.Linear):
        return SharedProduct(module.weight.t(), module.bias)
    if isinstance(module, nn.Sequential):
        layers = [shared(layer) for layer in module]

        def apply(x: Tensor) -> Tensor:
            for layer in layers:
                x = layer(x)
            return x

        return apply
    return module
