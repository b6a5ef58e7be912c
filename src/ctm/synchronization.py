"""How the machine reads its own activity: synchronization between neurons over time (section 3.4, appendix H).

A representation is asked twice per machine, once to drive attention (action) and once to answer (output). Each has
`prepare` (once per forward pass), `start` (with the very first activity z^1) and `step` (once per tick); `read` gives
the representation.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from ctm.config import Config
from ctm.kernels.precision import at_least_float32
from ctm.kernels.tracing import transformed
from ctm.pairings import Pairing, Role

MAXIMUM_DECAY = 15.0
"""Decays r are kept in [0, 15], as the authors do; exp(-15) forgets everything but the present."""


class RepresentationConfig(Config):
    """Base of the ways to read the latent state."""

    @property
    def exclusive_neurons(self) -> int:
        """How many neurons the representation must have for itself."""
        return 0

    @abstractmethod
    def size(self, neurons: int) -> int:
        """P, the length of the representation of a machine with D = `neurons`."""

    @abstractmethod
    def build(self, neurons: int, role: Role, generator: Generator) -> "Representation":
        """Makes the representation; neuron pairs come from `generator`."""


class Representation(nn.Module):
    """Base of the ways to read the latent state over time."""

    def prepare(self) -> Any:
        """What no tick changes; given to every `step`."""

    def start(self, z: Float[Tensor, "B D"]) -> Any:
        """The state when z^1 is all there has been."""
        raise NotImplementedError

    def step(self, state: Any, z: Float[Tensor, "B D"], prepared: Any) -> Any:
        """The state after the post-activations z of one more tick."""
        raise NotImplementedError

    def read(self, state: Any) -> Float[Tensor, "B P"] | None:
        """The representation, if it says anything."""
        raise NotImplementedError


@dataclass(frozen=True)
class PairRepresentationConfig(RepresentationConfig):
    """Base of the representations of neuron pairs."""

    pairing: Pairing
    """Which pairs of neurons are compared."""

    @property
    def exclusive_neurons(self) -> int:
        return self.pairing.exclusive_neurons

    def size(self, neurons: int) -> int:
        return self.pairing.count


class PairRepresentation(Representation):
    """Base of the representations of neuron pairs, each of which forgets at a rate of its own.

    Args:
        config: which pairs.
        neurons: D.
        role: "action" or "output".
        generator: draws the pairs.

    Attributes:
        decay: (P,) r_ij >= 0, learnable; 0 (the start) never forgets.
        left, right: (P,) the neurons of each pair; buffers, fixed for life.
    """

    left: Tensor
    right: Tensor

    def __init__(self, config: PairRepresentationConfig, neurons: int, role: Role, generator: Generator) -> None:
        super().__init__()
        self.size = config.pairing.count
        self.decay = nn.Parameter(torch.zeros(self.size))
        left, right = config.pairing.draw(neurons, role, generator)
        self.register_buffer("left", left)
        self.register_buffer("right", right)

    def product(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B P"]:
        """z_i z_j, in float32 at least: sums over many ticks must not lose small terms."""
        rows = at_least_float32(z).t()  # (D, B)
        if transformed():
            return (rows.index_select(0, self.left) * rows.index_select(0, self.right)).t()
        return _Products.apply(rows, self.left, self.right).t()


class SynchronizationState(NamedTuple):
    """The two running sums of appendix H, eq. 15 to 17."""

    numerator: Tensor  # alpha (B, P): decayed sum of products z_i z_j
    normaliser: Tensor  # beta (1, P): decayed count of ticks; does not depend on the data


class Synchronization(PairRepresentation):
    """Decayed inner products of neuron pairs over all ticks so far, updated recursively (eq. 10, appendix H)."""

    @dataclass(frozen=True)
    class Config(PairRepresentationConfig, kind="synchronization"):
        """Synchronization of chosen neuron pairs."""

        def build(self, neurons: int, role: Role, generator: Generator) -> "Synchronization":
            return Synchronization(self, neurons, role, generator)

    def prepare(self) -> Float[Tensor, " P"]:
        """The factor exp(-r) by which every pair forgets at each tick."""
        return torch.exp(-within_bounds(self.decay, 0.0, MAXIMUM_DECAY))

    def start(self, z: Float[Tensor, "B D"]) -> SynchronizationState:
        """The state when z^1 is all there has been."""
        # the present counts exp(-0 r) = 1: so r takes part, with a gradient of 0, in a pass of a single tick too
        return SynchronizationState(self.product(z), torch.exp(0 * -at_least_float32(self.decay)).unsqueeze(0))

    def step(
        self, state: SynchronizationState, z: Float[Tensor, "B D"], prepared: Float[Tensor, " P"]
    ) -> SynchronizationState:
        """Takes in the post-activations of one more tick."""
        return SynchronizationState(prepared * state.numerator + self.product(z), prepared * state.normaliser + 1)

    def read(self, state: SynchronizationState) -> Float[Tensor, "B P"]:
        """S_ij of eq. 10."""
        return state.numerator / state.normaliser.sqrt()


class Snapshot(Representation):
    """The latent state itself, without its history: the ablation of appendix G.3 and what an LSTM offers."""

    @dataclass(frozen=True)
    class Config(RepresentationConfig, kind="snapshot"):
        """Reads z directly."""

        def size(self, neurons: int) -> int:
            return neurons

        def build(self, neurons: int, role: Role, generator: Generator) -> "Snapshot":
            return Snapshot()

    def start(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """z^1 itself."""
        return z

    def step(self, state: Tensor, z: Float[Tensor, "B D"], prepared: None) -> Float[Tensor, "B D"]:
        """Forgets everything but the present."""
        return z

    def read(self, state: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """The state is the representation."""
        return state


class NoRepresentation(Representation):
    """None: for observers that take no query."""

    @dataclass(frozen=True)
    class Config(RepresentationConfig, kind="none"):
        """No representation."""

        def size(self, neurons: int) -> int:
            return 0

        def build(self, neurons: int, role: Role, generator: Generator) -> "NoRepresentation":
            return NoRepresentation()

    def start(self, z: Tensor) -> None:
        """Nothing."""

    def step(self, state: None, z: Tensor, prepared: None) -> None:
        """Nothing."""

    def read(self, state: None) -> None:
        """Nothing."""


class _Products(torch.autograd.Function):
    """Products of pairs of rows: z (D, B) to (P, B). Rows are copied as blocks, one neuron's at a time."""

    @staticmethod
    def forward(ctx, z: Tensor, left: Tensor, right: Tensor) -> Tensor:
        first, second = z.index_select(0, left), z.index_select(0, right)
        ctx.save_for_backward(z, left, right)
        return first.mul_(second)

    @staticmethod
    def backward(ctx, grad: Tensor):  # ty: ignore[incompatible-method-override]
        z, left, right = ctx.saved_tensors
        first = add_rows(torch.zeros_like(z), left, grad * z.index_select(0, right), z.device)
        return add_rows(first, right, grad * z.index_select(0, left), z.device), None, None


def add_rows(total: Tensor, index: Tensor, rows: Tensor, device: torch.device) -> Tensor:
    """The total with rows added, those of the same index always in the same order, so that gradients repeat exactly.

    `index_add` is faster and keeps the order on a CPU. On a GPU it adds in any order; `index_put` sorts first there,
    but not when compiled by Inductor, which keeps an order only under `torch.use_deterministic_algorithms`.
    """
    if device.type == "cpu":
        return total.index_add(0, index, rows)
    return total.index_put((index,), rows, accumulate=True)


class _WithinBounds(torch.autograd.Function):
    @staticmethod
    def forward(ctx, value: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(value)
        ctx.bounds = low, high
        return value.clamp(low, high)

    @staticmethod
    def backward(ctx, grad: Tensor):  # ty: ignore[incompatible-method-override]
        (value,), (low, high) = ctx.saved_tensors, ctx.bounds
        outward = ((value < low) & (grad > 0)) | ((value > high) & (grad < 0))  # descent would leave further
        return grad.masked_fill(outward, 0), None, None


class _WithinBoundsTransformed(_WithinBounds):
    """The same for `torch.func`, in the form that it asks for, which `torch.compile` does not take."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, low: float, high: float) -> Tensor:  # ty: ignore[incompatible-method-override]
        return value.clamp(low, high)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        value, *ctx.bounds = inputs
        ctx.save_for_backward(value)
        ctx.save_for_forward(value)

    @staticmethod
    def jvp(ctx, tangent: Tensor, *_) -> Tensor:  # ty: ignore[incompatible-method-override]
        (value,), (low, high) = ctx.saved_tensors, ctx.bounds
        return tangent.masked_fill((value < low) | (value > high), 0)


def within_bounds(value: Tensor, low: float, high: float) -> Tensor:
    """Clamps without the dead gradient of `clamp`: what is out of bounds can always come back.

    The gradient passes unchanged, except where the value is out of bounds and gradient descent would push it
    further out. The authors reach the same end by overwriting the parameter during the forward pass.
    """
    return (_WithinBoundsTransformed if transformed() else _WithinBounds).apply(value, low, high)
