"""An embedding per symbol, for sequences of symbols such as the ±1 of the parity task (appendix F)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig
from ctm.inputs import only_known


class TokenEmbedding(nn.Module):
    """Looks every symbol of a sequence up in a table. Values that are no symbols are refused (`inputs.only_known`)."""

    @dataclass(frozen=True)
    class Config(BackboneConfig, kind="token_embedding"):
        """One learned vector per symbol."""

        width: int
        """C, length of the vectors."""
        symbols: tuple[int, ...] = (-1, 1)
        """The values that can stand in a sequence, in the order of the table."""

        def validate(self) -> None:
            self.require(self.width >= 1, "width", "at least 1")
            self.require(len(set(self.symbols)) == len(self.symbols) >= 1, "symbols", "different values")

        @property
        def dimensions(self) -> int:
            return 1

        @property
        def channels(self) -> int:
            return self.width

        def adapted(self, shape: tuple[int, ...]) -> None:
            return None

        def build(self) -> "TokenEmbedding":
            return TokenEmbedding(self)

    def __init__(self, config: "TokenEmbedding.Config") -> None:
        super().__init__()
        self.expected = ", ".join(map(str, config.symbols))
        self.table = nn.Embedding(len(config.symbols), config.width)
        self.symbols = tuple(map(float, config.symbols))

    def forward(self, x: Tensor) -> Float[Tensor, "B C L"]:
        matches = torch.stack([x == symbol for symbol in self.symbols], dim=-1)  # (B, L, symbols)
        embedded = self.table(matches.int().argmax(-1))  # (B, L, C)
        return only_known(embedded, matches.any(-1), x, f"one of {self.expected}").transpose(1, 2)
