"""All neurons thinking about their pasts, tick after tick: the private models as fast as products of matrices allow.

The neurons are the batch of the products. A tick keeps nothing but which inputs were dropped: histories are views of
one buffer, and the backward pass computes what lies between them and the answers once more, in memory that all ticks
share. That is faster than keeping it, since fresh memory is slower than arithmetic.
"""

import weakref
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from ctm.kernels.deferred import DeferredGradients, defer_gradients
from ctm.kernels.history import HistoryBuffer
from ctm.kernels.packed import add_product
from ctm.kernels.precision import at_least_float32, autocast_dtype


class NeuronPass:
    """The private models for use at every tick of a pass.

    Args:
        layers: of the models, from first to last.
        ticks: how many ticks follow each other, so that their histories can share a buffer; when they are over, or a
            call is given another history than the latest, a new one begins. With 0 there is none.
    """

    def __init__(self, layers: list["Layer"], ticks: int) -> None:
        self.layers, self.ticks = layers, ticks
        self.histories: Any = None
        self._latest: Any = None  # a weak reference, since the history refers to what made it
        self.notes = DeferredGradients()
        self.collects = ticks > 0 and torch.is_grad_enabled() and not torch.compiler.is_compiling()
        if self.collects:
            self.operands = defer_gradients(self.notes, *(operand for layer in layers for operand in layer.operands))

    def __call__(
        self, history: Float[Tensor, "B D M"], newest: Float[Tensor, "B D"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D M"]]:
        """One tick.

        Args:
            history: what the neurons remember.
            newest: their pre-activations of this tick.

        Returns:
            their post-activations, and the history with the newest column and without the oldest.
        """
        asked = torch.is_grad_enabled() and not self.collects  # for gradients, though prepared without
        if torch.compiler.is_compiling() or not self.ticks or asked:
            history = torch.cat([history[..., 1:], newest.unsqueeze(-1)], dim=-1)
            remembered = history.permute(1, 2, 0)  # (D, M, B)
            return self.answer(remembered, self.masks(remembered)).squeeze(1).t(), history
        if self.histories is None or self.histories.full or history is not self._latest():
            history = self._begin(history)
        tick = self.histories.extend(newest)
        remembered = self.histories.after(tick)
        masks = self.masks(remembered)
        if self.collects:
            z, history = _NeuronPass.apply(self, self.histories, tick, masks, newest, history, *self.operands)
        else:
            z, history = self.answer(remembered, masks).squeeze(1).t(), remembered.permute(2, 0, 1)
        self._latest = weakref.ref(history)
        return z, history

    def answer(self, x: Float[Tensor, "D M B"], masks: list[Tensor | None]) -> Float[Tensor, "D _out B"]:
        """What the models make of what the neurons remember, (D, 1, B)."""
        for layer, mask, following in zip(self.layers, masks, [*self.layers[1:], None], strict=True):
            if not (torch.is_grad_enabled() or torch.compiler.is_compiling()):
                x = layer.in_place(x, mask, None if following is None else following.seat(x.shape[-1]))
            else:
                x = layer(x, mask)
        return x

    def masks(self, x: Float[Tensor, "D M B"]) -> list[Tensor | None]:
        """Which inputs of each layer are kept."""
        return [layer.mask(x) for layer in self.layers]

    def _begin(self, history: Float[Tensor, "B D M"]) -> Float[Tensor, "B D M"]:
        """Begins a new buffer; the history comes back as what its ticks leave gradients for."""
        self.histories = HistoryBuffer(history, self.ticks)
        if self.collects:
            self.remembering = DeferredGradients()  # of the gradients of the columns
            (history,) = defer_gradients(self.remembering, history)
        return history


class _NeuronPass(Function):
    """A tick. That it takes the history before makes the backward pass come to earlier ticks later, and always."""

    @staticmethod
    def forward(
        ctx, thinking: NeuronPass, histories: HistoryBuffer, tick: int, masks, newest: Tensor, *held: Tensor | None
    ):
        ctx.thinking, ctx.histories, ctx.tick, ctx.remembering = thinking, histories, tick, thinking.remembering
        ctx.version = histories.columns._version
        ctx.save_for_backward(*masks)
        ctx.set_materialize_grads(False)
        remembered = histories.after(tick)
        return thinking.answer(remembered, masks).squeeze(1).t(), remembered.permute(2, 0, 1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad: Tensor | None, grad_history: Tensor | None):
        thinking, histories, tick = ctx.thinking, ctx.histories, ctx.tick
        if histories.columns._version != ctx.version:
            raise RuntimeError(
                "a history needed for the gradients was modified by an inplace operation: change a copy of it instead"
            )
        masks = ctx.saved_tensors
        past = ctx.remembering.of_this_pass(lambda: _HistoryGradients(histories))
        window = histories.window(past.columns, tick)
        if grad_history is not None:
            window.add_(grad_history.permute(1, 2, 0))
        if grad is not None:
            notes = thinking.notes.of_this_pass(lambda: _LayerGradients(thinking.layers))
            thinking.answer(histories.after(tick), list(masks))  # leaves in the layers what follows needs
            grad = grad.t().unsqueeze(1)  # (D, 1, B)
            for layer, mask, sums in reversed(list(zip(thinking.layers, masks, notes.sums, strict=True))):
                grad = layer.backward(grad, mask, sums)
            window.add_(grad)
        # later ticks were here before, so the newest column of this one is complete
        newest = past.columns[:, histories.memory + tick].t()
        return None, None, None, None, newest, *[None] * (1 + len(thinking.operands))


class _HistoryGradients:
    """The gradient of all columns, summed over the histories they were part of, in float32 at least."""

    def __init__(self, histories: HistoryBuffer) -> None:
        self.memory = histories.memory
        self.columns = torch.zeros_like(at_least_float32(histories.columns))  # (D, M + T, B)

    def gradients(self) -> tuple[Tensor]:
        return (self.columns[:, : self.memory].permute(2, 0, 1),)


class _LayerGradients:
    """The gradients of all operands of all layers, summed over ticks, in float32 at least."""

    def __init__(self, layers: list["Layer"]) -> None:
        self.sums = [
            [None if operand is None else torch.zeros_like(at_least_float32(operand)) for operand in layer.operands]
            for layer in layers
        ]

    def gradients(self) -> tuple[Tensor | None, ...]:
        return tuple(operand for sums in self.sums for operand in sums)


class Layer:
    """A layer of all private models, glu(W x + b), of inputs x that are perhaps dropped and normalised before.

    Args:
        weight: (D, 2 out, in).
        bias: (D, 2 out, 1).
        norm: over `in`.
        dropped: probability that an input is dropped.

    Attributes:
        operands: what has a gradient: weight and bias side by side, and scale and shift of the norm.
    """

    def __init__(self, weight: Tensor, bias: Tensor, norm: nn.LayerNorm | None, dropped: float) -> None:
        self.norm, self.dropped = norm, dropped
        self.scale = 1 / (1 - probability(dropped))
        if norm is None and dropped:  # scaling the weights is scaling the inputs
            weight, self.scale = weight * self.scale, 1.0
        joined = torch.cat([weight, bias], dim=-1)  # (D, 2 out, in + 1)
        self.operands = (joined, None, None) if norm is None else (joined, norm.weight, norm.bias)
        self.joined = joined.to(autocast_dtype(joined))
        self.weight, self.bias = self.joined[..., :-1], self.joined[..., -1:]
        self._tensors: dict[str, Tensor] = {}

    def mask(self, x: Float[Tensor, "D _ B"]) -> UInt8[Tensor, "D _in B"] | None:
        """Which inputs are kept, 1 or 0; nothing where all are."""
        shape = len(x), self.weight.shape[-1], x.shape[-1]
        return kept(shape, self.dropped, x.device) if self.dropped else None

    def __call__(self, x: Float[Tensor, "D _in B"], mask: Tensor | None) -> Float[Tensor, "D _out B"]:
        """The layer as a pure function."""
        x = x.to(self.joined.dtype) if mask is None else x.to(self.joined.dtype) * mask * self.scale
        if self.norm is not None:
            x = self._normalised(self.norm, x.transpose(1, 2)).transpose(1, 2).to(self.joined.dtype)
        return F.glu(torch.baddbmm(self.bias, self.weight, x), dim=1)  # (D, 2 out, B) -> (D, out, B)

    def seat(self, batch: int) -> Float[Tensor, "D _in B"]:
        """Where inputs go; below them is a row of ones for the bias."""
        neurons, _, inputs = self.joined.shape
        if "inputs" not in self._tensors or self._tensors["inputs"].shape[-1] != batch:
            self._tensors["inputs"] = self.joined.new_ones(neurons, inputs, batch)
            self._tensors["seat"] = self._tensors["inputs"][:, :-1]
        return self._tensors["seat"]

    def in_place(
        self, x: Float[Tensor, "D _in B"], mask: Tensor | None, out: Float[Tensor, "D _out B"] | None
    ) -> Float[Tensor, "D _out B"]:
        """The same without a gradient, in tensors that are written again by every call; the last of them is `out`."""
        seat = self.seat(x.shape[-1])
        if mask is not None:
            torch.mul(x, mask, out=seat)
        elif x is not seat:
            seat.copy_(x)
        if self.norm is not None:
            self.unnormalised = seat.mul(self.scale).transpose(1, 2)  # (D, B, in)
            seat.copy_(self._normalised(self.norm, self.unnormalised).transpose(1, 2))
        affine = self._written("affine", x.shape[-1])
        torch.bmm(self.joined, self._tensors["inputs"], out=affine)
        return F.glu(affine, dim=1) if out is None else torch.ops.aten.glu.out(affine, 1, out=out)

    def backward(self, grad: Float[Tensor, "D _out B"], mask: Tensor | None, sums: list) -> Float[Tensor, "D _in B"]:
        """The gradient of the inputs of the latest call in place; those of the operands are added to `sums`."""
        batch = grad.shape[-1]
        inputs, affine, before = self._tensors["inputs"], self._written("affine", batch), self._written("before", batch)
        torch.ops.aten.glu_backward.grad_input(grad.to(affine.dtype), affine, 1, grad_input=before)
        add_product(sums[0], before, inputs.transpose(1, 2))
        grad = torch.bmm(self.weight.transpose(1, 2), before, out=self._written("grad", batch, self.weight.shape[-1]))
        if self.norm is not None:
            grad = self._before_norm(self.norm, grad, sums) * self.scale
        return grad if mask is None else grad.mul_(mask)

    def _normalised(self, norm: nn.LayerNorm, x: Float[Tensor, "D B _in"]) -> Float[Tensor, "D B _in"]:
        """In the precision of the norm's own weights, since kernels want one for all."""
        return F.layer_norm(x.to(norm.weight.dtype), norm.normalized_shape, norm.weight, norm.bias, norm.eps)

    def _before_norm(self, norm: nn.LayerNorm, grad: Float[Tensor, "D _in B"], sums: list) -> Float[Tensor, "D _in B"]:
        x, shape = self.unnormalised.to(norm.weight.dtype), list(norm.normalized_shape)
        _, mean, deviation = torch.native_layer_norm(x, shape, norm.weight, norm.bias, norm.eps)
        grad, scale, shift = torch.ops.aten.native_layer_norm_backward(
            grad.transpose(1, 2).to(x.dtype), x, shape, mean, deviation, norm.weight, norm.bias, [True] * 3
        )
        sums[1].add_(scale)
        sums[2].add_(shift)
        return grad.transpose(1, 2)

    def _written(self, name: str, batch: int, rows: int | None = None) -> Float[Tensor, "D _rows B"]:
        """A tensor that every call writes again."""
        if name not in self._tensors or self._tensors[name].shape[-1] != batch:
            self._tensors[name] = self.joined.new_empty(len(self.joined), rows or self.joined.shape[1], batch)
        return self._tensors[name]


LEVELS = 2**16
"""Dropping is decided by 16 random bits."""


def probability(dropout: float) -> float:
    """The probability nearest to `dropout` that 16 bits can decide."""
    return round(dropout * LEVELS) / LEVELS


def kept(shape: tuple[int, ...], dropout: float, device: torch.device) -> UInt8[Tensor, "..."]:
    """Which entries are kept, 1 or 0, four of them from one random number."""
    if torch.compiler.is_compiling():  # fuses drawing with what follows
        return (torch.rand(shape, device=device) >= probability(dropout)).to(torch.uint8)
    count = torch.Size(shape).numel()
    bits = torch.empty((count + 3) // 4, dtype=torch.int64, device=device).random_(-(2**63), None)
    threshold = round(dropout * LEVELS) - LEVELS // 2
    return (bits.view(torch.int16)[:count].view(shape) >= threshold).view(torch.uint8)


def dropout(x: Float[Tensor, "D _in B"], dropped: float) -> Float[Tensor, "D _in B"]:
    """Drops entries; which ones depends on the random state and the shape alone, not on the strides of x."""
    return x * kept(tuple(x.shape), dropped, x.device) / (1 - probability(dropped))
