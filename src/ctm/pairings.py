"""Which pairs of neurons a synchronization representation listens to (section 3.4.1, appendix C.2).

A pairing draws its neurons once, from an explicit generator, and they stay fixed for the life of the model.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from ctm.config import Config

Role = Literal["action", "output"]


class Pairing(Config):
    """Base of the ways to choose neuron pairs."""

    @property
    @abstractmethod
    def count(self) -> int:
        """P, the number of pairs and so the size of the representation."""

    @property
    @abstractmethod
    def exclusive_neurons(self) -> int:
        """How many distinct neurons the pairing takes for itself; 0 if it draws from all of them."""

    @abstractmethod
    def draw(self, neurons: int, role: Role, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draws the pairs.

        Args:
            neurons: D, the number of neurons to choose from.
            role: whether the representation drives attention or the output.
            generator: source of randomness.

        Returns:
            indices of the left and of the right neuron of each pair, both (P,) int64.
        """


@dataclass(frozen=True)
class Dense(Pairing, kind="dense"):
    """All pairs i <= j among J neurons: the first J for the output, the last J for action, which never overlap."""

    neurons: int
    """J; gives J (J + 1) / 2 pairs."""

    def validate(self) -> None:
        self.require(self.neurons >= 1, "neurons", "at least 1")

    @property
    def count(self) -> int:
        return self.neurons * (self.neurons + 1) // 2

    @property
    def exclusive_neurons(self) -> int:
        return self.neurons

    def draw(self, neurons: int, role: Role, generator: Generator) -> tuple[Tensor, Tensor]:
        first = 0 if role == "output" else neurons - self.neurons
        chosen = torch.arange(first, first + self.neurons)
        return upper_triangle(chosen, chosen)


@dataclass(frozen=True)
class SemiDense(Pairing, kind="semi_dense"):
    """Pairs between J left and J right neurons, both drawn from all neurons with replacement.

    The authors keep the upper triangle (i <= j by position) of the J x J products, and the published parameter
    counts confirm it; the paper's text speaks of all of them.
    """

    neurons: int
    """J; gives J (J + 1) / 2 pairs."""

    def validate(self) -> None:
        self.require(self.neurons >= 1, "neurons", "at least 1")

    @property
    def count(self) -> int:
        return self.neurons * (self.neurons + 1) // 2

    @property
    def exclusive_neurons(self) -> int:
        return 0

    def draw(self, neurons: int, role: Role, generator: Generator) -> tuple[Tensor, Tensor]:
        left = torch.randint(neurons, (self.neurons,), generator=generator)
        right = torch.randint(neurons, (self.neurons,), generator=generator)
        return upper_triangle(left, right)


@dataclass(frozen=True)
class RandomPairs(Pairing, kind="random"):
    """P pairs, left and right drawn from all neurons with replacement; some may pair a neuron with itself."""

    pairs: int
    """P, the number of pairs."""
    self_pairs: int = 0
    """How many of them, the first ones, are (i, i): these recover a snapshot of the neuron's own activity."""

    def validate(self) -> None:
        self.require(self.pairs >= 1, "pairs", "at least 1")
        self.require(0 <= self.self_pairs <= self.pairs, "self_pairs", f"0 to pairs = {self.pairs}")

    @property
    def count(self) -> int:
        return self.pairs

    @property
    def exclusive_neurons(self) -> int:
        return 0

    def draw(self, neurons: int, role: Role, generator: Generator) -> tuple[Tensor, Tensor]:
        left = torch.randint(neurons, (self.pairs,), generator=generator)
        right = torch.randint(neurons, (self.pairs,), generator=generator)
        right[: self.self_pairs] = left[: self.self_pairs]
        return left, right


def upper_triangle(left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs (left[i], right[j]) for all positions i <= j, row by row: two (J,) become two (J (J + 1) / 2,)."""
    i, j = torch.triu_indices(len(left), len(right))
    return left[i], right[j]
