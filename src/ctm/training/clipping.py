"""Ways to bound gradients. None of them waits for the device."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config


class Clipping(Config):
    """Base of the ways to bound gradients."""

    @abstractmethod
    def build(self, parameters: Sequence[nn.Parameter]) -> "Clipper":
        """Makes the clipper of these parameters."""


class Clipper:
    """Bounds gradients in place; this one leaves them as they are.

    Args:
        parameters: whose gradients.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = parameters

    def clip(self) -> Float[Tensor, ""]:
        """Bounds the gradients, and returns their global norm before that."""
        return nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])

    def tensors(self) -> dict[str, Tensor]:
        """What has to be remembered to go on exactly."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes back what `tensors` gave."""


@dataclass(frozen=True)
class NoClipping(Clipping, kind="none"):
    """Gradients stay as they are."""

    def build(self, parameters: Sequence[nn.Parameter]) -> Clipper:
        return Clipper(parameters)


@dataclass(frozen=True)
class NormClipping(Clipping, kind="norm"):
    """All gradients together get at most a fixed norm."""

    norm: float = 1.0
    """The largest norm."""

    def validate(self) -> None:
        self.require(0 < self.norm < math.inf, "norm", "above 0")

    def build(self, parameters: Sequence[nn.Parameter]) -> Clipper:
        return NormClipper(parameters, self.norm)


class NormClipper(Clipper):
    """Scales all gradients together down to a largest global norm."""

    def __init__(self, parameters: Sequence[nn.Parameter], norm: float) -> None:
        super().__init__(parameters)
        self.norm = norm

    def clip(self) -> Float[Tensor, ""]:
        return nn.utils.clip_grad_norm_(self.parameters, self.norm)


@dataclass(frozen=True)
class QuantileClipping(Clipping, kind="quantile"):
    """Every parameter tensor's gradient gets at most a quantile of the norms that it had lately (AutoClip).

    Source: Seetharaman et al., AutoClip: Adaptive Gradient Clipping, 2020, for every tensor by itself.
    """

    quantile: float = 0.9
    """Which quantile of its own earlier norms, before clipping, bounds a gradient."""
    history: int = 1000
    """How many of the latest norms are remembered."""

    def validate(self) -> None:
        self.require(0 <= self.quantile <= 1, "quantile", "0 to 1")
        self.require(self.history >= 1, "history", "at least 1")

    def build(self, parameters: Sequence[nn.Parameter]) -> Clipper:
        return QuantileClipper(parameters, self.quantile, self.history)


class QuantileClipper(Clipper):
    """Remembers the norms of every tensor's gradient in a ring; not-a-number stands for no norm."""

    def __init__(self, parameters: Sequence[nn.Parameter], quantile: float, history: int) -> None:
        super().__init__(parameters)
        self.quantile = quantile
        self.norms = torch.full((len(parameters), history), torch.nan, device=parameters[0].device)
        self.steps = 0

    def clip(self) -> Float[Tensor, ""]:
        gradients = [p.new_zeros(1) if p.grad is None else p.grad for p in self.parameters]
        norms = torch.stack(torch._foreach_norm(gradients))  # (tensors,)
        history = self.norms.shape[1]
        filled = self.norms[:, : max(1, min(self.steps, history))]  # (tensors, norms so far)
        bounds = filled.nanquantile(self.quantile, dim=1)  # (tensors,)
        factors = torch.where(bounds.isnan(), 1.0, (bounds / (norms + 1e-6)).clamp(max=1))  # (tensors,)
        for gradient, factor in zip(gradients, factors, strict=True):
            gradient.mul_(factor)
        self.norms[:, self.steps % history] = torch.where(norms.isfinite(), norms, torch.nan)
        self.steps += 1
        return norms.norm()

    def tensors(self) -> dict[str, Tensor]:
        return {"norms": self.norms, "steps": torch.tensor(self.steps)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self.norms.copy_(tensors["norms"])
        self.steps = int(tensors["steps"])
