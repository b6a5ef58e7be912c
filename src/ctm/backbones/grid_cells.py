"""The cells that an agent of MiniGrid sees: what is there, of which colour, in which state (appendix G.6)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig
from ctm.errors import ConfigError
from ctm.gated import gated_blocks
from ctm.inputs import only_known

SYMBOLS = {"object": 11, "colour": 6, "state": 3}
"""What a cell holds, in this order, and how many of each there are in MiniGrid."""

EMBEDDING = 8
"""Length of the learned vector of each symbol, and of each place."""


class GridCells(nn.Module):
    """Looks up the three symbols of every cell, joins them with the place of the cell, and passes all through two
    blocks of gated units. Values that are no symbols are refused (`inputs.only_known`).

    The learned vectors of places are in the authors' code, and the published parameter counts confirm them.
    """

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="minigrid"):
        """Embeddings of symbols and places, and gated units for each cell."""

        width: int = 128
        """C, units of each block."""
        view: int = 7
        """H = W, how many cells wide and deep the agent sees."""

        def validate(self) -> None:
            self.require(self.width >= 1, "width", "at least 1")
            self.require(self.view >= 1, "view", "at least 1")

        @property
        def dimensions(self) -> int:
            return 2

        @property
        def channels(self) -> int:
            return self.width

        def adapted(self, shape: tuple[int, ...]) -> None:
            return None

        def adapted_to_cells(self, shape: tuple[int, ...]) -> "GridCells.Config":
            """This backbone for views (H, W, symbols of a cell).

            Raises:
                ConfigError: if they are not square, or their cells hold anything else than the symbols.
            """
            if shape != (shape[0], shape[0], len(SYMBOLS)):
                expected = f"as many rows as columns of {len(SYMBOLS)} symbols each, or a backbone of kind 'module'"
                raise ConfigError(f"cells of shape {shape}: expected {expected}")
            return self.replace(view=shape[0])

        def build(self) -> "GridCells":
            return GridCells(self)

    def __init__(self, config: "GridCells.Config") -> None:
        super().__init__()
        self.view = config.view
        self.symbols = nn.ModuleDict({name: nn.Embedding(count, EMBEDDING) for name, count in SYMBOLS.items()})
        self.places = nn.Embedding(config.view**2, EMBEDDING)  # row by row
        self.layers = nn.Sequential(*gated_blocks((len(SYMBOLS) + 1) * EMBEDDING, config.width, blocks=2))

    def forward(self, x: Shaped[Tensor, "B H W 3"]) -> Float[Tensor, "B C H W"]:
        if x.shape[1:] != (self.view, self.view, len(SYMBOLS)):
            expected = f"(B, {self.view}, {self.view}, {len(SYMBOLS)}), {', '.join(SYMBOLS)} of every cell"
            raise ValueError(f"cells of shape {tuple(x.shape)}: expected {expected}")
        parts = [self._look_up(name, symbols) for name, symbols in zip(SYMBOLS, x.unbind(-1), strict=True)]
        places = self.places.weight.unflatten(0, (self.view, self.view))  # (H, W, embedding)
        cells = torch.cat([*parts, places.expand_as(parts[0])], dim=-1)  # (B, H, W, 4 embeddings)
        return self.layers(cells).movedim(-1, 1)

    def _look_up(self, name: str, symbols: Shaped[Tensor, "B H W"]) -> Float[Tensor, "B H W _"]:
        count = SYMBOLS[name]
        index = symbols.long().clamp(0, count - 1)
        return only_known(self.symbols[name](index), index == symbols, symbols, f"{name} 0 to {count - 1}")
