"""Where a feature is: embeddings added to a feature map before the machine looks at it (appendix F.4).

Every module here maps features (B, C, *grid) to embeddings (C, *grid).
"""

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.config import Config


class PositionConfig(Config):
    """Base of the positional embeddings."""

    @property
    def dimensions(self) -> int | None:
        """How many dimensions the feature grid must have; nothing if any will do."""
        return None

    @abstractmethod
    def build(self, channels: int) -> nn.Module | None:
        """Makes the embedding for maps of `channels` channels, or nothing."""


@dataclass(frozen=True)
class NoPositions(PositionConfig, kind="none"):
    """The machine is not told where anything is, as in the paper's mazes and ImageNet."""

    def build(self, channels: int) -> None:
        return None


class FourierPositions(nn.Module):
    """Learned Fourier features of the coordinates, mixed over one or several scales.

    Each scale maps (x, y) in [0, 1] through 128 learned frequencies, started as N(0, std^2), and a gated perceptron.
    Several scales are averaged with learned softmax weights.
    """

    @dataclass(frozen=True)
    class Config(PositionConfig, kind="fourier"):
        """Learned Fourier features of a two-dimensional grid."""

        scales: int = 1
        """1: frequencies start with deviation 6.25. More: deviations gamma^-2 for gamma from 1 to 0.1 (authors: 10)."""

        @property
        def dimensions(self) -> int:
            return 2

        def validate(self) -> None:
            self.require(self.scales >= 1, "scales", "at least 1")

        def build(self, channels: int) -> "FourierPositions":
            return FourierPositions(self, channels)

    def __init__(self, config: "FourierPositions.Config", channels: int) -> None:
        super().__init__()
        gammas = [1 / 2.5] if config.scales == 1 else torch.linspace(1.0, 0.1, config.scales).tolist()
        self.scales = nn.ModuleList(_FourierScale(channels, deviation=gamma**-2) for gamma in gammas)
        self.mixture = nn.Parameter(torch.ones(config.scales)) if config.scales > 1 else None

    def forward(self, features: Float[Tensor, "B C H W"]) -> Float[Tensor, "C H W"]:
        rows, columns = (_unit_steps(size, next(self.parameters())) for size in features.shape[2:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        coordinates = torch.stack([x, y], dim=-1)  # (H, W, 2)
        embeddings = torch.stack([scale(coordinates) for scale in self.scales])  # (scales, H, W, C)
        if self.mixture is None:
            return embeddings[0].movedim(-1, 0)
        return torch.tensordot(self.mixture.softmax(0), embeddings, dims=1).movedim(-1, 0)


class _FourierScale(nn.Module):
    def __init__(self, channels: int, deviation: float, features: int = 256, hidden: int = 128) -> None:
        super().__init__()
        self.frequencies = nn.Linear(2, features // 2, bias=False)
        nn.init.normal_(self.frequencies.weight, std=deviation)
        self.project = nn.Sequential(
            nn.Linear(features, hidden), nn.GLU(), nn.Linear(hidden // 2, channels), nn.LayerNorm(channels)
        )

    def forward(self, coordinates: Float[Tensor, "H W 2"]) -> Float[Tensor, "H W C"]:
        phase = self.frequencies(coordinates)  # (H, W, 128)
        waves = torch.cat([phase.cos(), phase.sin()], dim=-1)  # (H, W, 256)
        return self.project(waves / math.sqrt(waves.shape[-1]))


class RotationalPositions(nn.Module):
    """Half a turn over each axis: position p of L is the vector (0, 1) rotated by p / (L - 1) * 180 degrees.

    On a grid the rotated vectors of row and column are concatenated. In two dimensions the vector to rotate is
    learned; in one it is fixed (the parity experiments). A linear map takes them to the channels. Unlike the authors'
    code, maps need not be square.

    With harmonics there are vectors that turn 2, 3, … times as far, too, the k-th of them sqrt(harmonics / k) long.
    Half a turn alone hardly tells the neighbours in a long sequence apart: over 64 positions, a query that peaks at one
    of them is lower by 0.12 % of its height at the next. With 16 harmonics it is lower by 5 %.
    """

    @dataclass(frozen=True)
    class Config(PositionConfig, kind="rotational"):
        """Rotations of a vector along each axis."""

        dimensions: int = 1
        """1 for sequences, 2 for maps."""
        harmonics: int = 1
        """Vectors for each axis, the k-th of which turns k times as far; 1 as in the paper."""

        def validate(self) -> None:
            self.require(self.dimensions in (1, 2), "dimensions", "1 or 2")
            self.require(self.harmonics >= 1, "harmonics", "at least 1")

        def build(self, channels: int) -> "RotationalPositions":
            return RotationalPositions(self, channels)

    def __init__(self, config: "RotationalPositions.Config", channels: int) -> None:
        super().__init__()
        self.start = (0.0, 1.0) if config.dimensions == 1 else nn.Parameter(torch.tensor([0.0, 1.0]))
        self.harmonics = config.harmonics
        self.project = nn.Linear(2 * config.harmonics * config.dimensions, channels)

    def forward(self, features: Float[Tensor, "B C *grid"]) -> Float[Tensor, "C *grid"]:
        grid = features.shape[2:]
        rotated = []
        for axis, length in enumerate(grid):
            shape = [length if other == axis else 1 for other in range(len(grid))]
            vectors = self._rotate(_unit_steps(length, self.project.weight))  # (length, 2 harmonics)
            rotated.append(vectors.view(*shape, -1).expand(*grid, -1))
        return self.project(torch.cat(rotated, dim=-1)).movedim(-1, 0)

    def _rotate(self, steps: Float[Tensor, " L"]) -> Float[Tensor, "L _vectors"]:
        """The start vector, turned by half a turn times each step and its multiples."""
        multiples = torch.arange(1, self.harmonics + 1, device=steps.device, dtype=steps.dtype)
        angles = steps.unsqueeze(1) * multiples * math.pi  # (L, harmonics)
        (x, y), (cos, sin) = self.start, (angles.cos(), angles.sin())
        vectors = torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1)  # (L, harmonics, 2)
        return (vectors * (self.harmonics / multiples).sqrt().unsqueeze(1)).flatten(1)


def _unit_steps(length: int, like: Tensor) -> Tensor:
    """`length` even steps from 0 to 1; a single one is 0."""
    return torch.linspace(0, 1, length, dtype=like.dtype, device=like.device)
