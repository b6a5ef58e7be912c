"""An observer whose input changes over ticks: pictures in turn, then symbols, then nothing (appendix G.5)."""

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ctm.inputs import Inputs, as_tuple, only_known
from ctm.observers.attention import AttentionWeights, CrossAttention, PreparedAttention
from ctm.observers.base import Observation, Observer, ObserverConfig


class Scheduled(Observer):
    """Shows a sample part by part, each for some ticks, as the sample's own age in ticks says.

    While it shows a picture, it attends to the features of that picture. While it shows a symbol of the question, the
    symbol's embedding is what is seen, without attention: for a number 0, 1, …, the index of a picture, a fixed
    sinusoid; for -1, -2, …, an operator, a learned vector. After the last symbol nothing is seen (zeros), and the
    machine is to answer. Features, keys and values of all pictures are computed once, whatever the ticks.

    Args:
        config: attention and the schedule.
        channels: channels of the features.
        query: P, size of the action representation.

    Attributes:
        indices: (numbers, E) the sinusoids; a buffer.
    """

    @dataclass(frozen=True)
    class Config(ObserverConfig, kind="scheduled"):
        """Pictures one after the other, then the symbols of a question, then nothing."""

        look: CrossAttention.Config
        """How it looks at a picture; E is its width."""
        repeats: int = 1
        """Ticks for which each picture and each symbol is shown."""
        operators: int = 2
        """How many operators there are: -1, -2, …"""
        numbers: int = 50
        """How many indices there are: 0, 1, …"""
        projected: bool = False
        """Symbols pass through the projection of the features, as in the authors' LSTM, but not in their CTM."""

        uses_query: ClassVar[bool] = True

        def validate(self) -> None:
            for name in ("repeats", "operators", "numbers"):
                self.require(getattr(self, name) >= 1, name, "at least 1")

        def check(self, dimensions: int) -> None:
            self.require(dimensions >= 1, "kind", "an observer of single vectors")
            self.look.check(dimensions)

        def width(self, channels: int) -> int:
            return self.look.width(channels)

        def build(self, channels: int, query: int) -> "Scheduled":
            return Scheduled(self, channels, query)

    indices: Tensor

    def __init__(self, config: "Scheduled.Config", channels: int, query: int) -> None:
        super().__init__()
        self.repeats, self.projected = config.repeats, config.projected
        self.look = config.look.build(channels, query)
        width = channels if config.projected else config.look.embedding
        self.operators = nn.Embedding(config.operators, width)
        self.register_buffer("indices", sinusoids(config.numbers, width))

    def shown(self, inputs: Inputs) -> int:
        if len(as_tuple(inputs)) != 2:
            raise ValueError("expected two tensors: pictures (B, n, …) and symbols of a question (B, m)")
        pictures, question = inputs
        return self.repeats * (pictures.shape[1] + question.shape[1])

    def prepare_weights(self) -> AttentionWeights:
        return self.look.prepare_weights()

    def prepare(
        self, features: tuple[Float[Tensor, "B C *grid"], Int[Tensor, "B m"]], weights: AttentionWeights | None = None
    ) -> "PreparedSchedule":
        """Keys and values of all pictures, whose features are (B, C, n, *grid), and embeddings of all symbols."""
        of_pictures, question = features
        attended = self.look.prepare(of_pictures, weights)
        pictures = torch.arange(attended.grid[0], device=question.device)
        cells = math.prod(attended.grid[1:])
        return PreparedSchedule(
            attended, pictures.repeat_interleave(cells), F.pad(self.embed_symbols(question), (0, 0, 0, 1))
        )

    def embed_symbols(self, question: Int[Tensor, "B m"]) -> Float[Tensor, "B m E"]:
        """The embeddings of symbols: indices from 0 up, operators from -1 down; others are refused (`only_known`)."""
        numbers, operators = len(self.indices), len(self.operators.weight)
        table = torch.cat([self.indices, self.operators.weight])
        known = (question >= -operators) & (question < numbers)  # (B, m)
        place = torch.where(question >= 0, question, numbers - 1 - question).masked_fill(~known, 0)
        symbols = only_known(
            F.embedding(place, table), known, question, f"an index from 0 to {numbers - 1}, or -1 to -{operators}"
        )
        return self.look.features(symbols) if self.projected else symbols

    def step(self, query: Float[Tensor, "B P"], prepared: "PreparedSchedule", ticks: Int[Tensor, " B"]) -> Observation:
        """Attends to the picture that is shown, or reads the symbol that is."""
        part = (ticks // self.repeats).unsqueeze(1)  # (B, 1) which picture, symbol, or more
        pictures = prepared.pictures.grid[0]
        looks = part < pictures
        hidden = looks & (prepared.picture != part)  # (B, L); where none is shown all are seen, and it is forgotten
        looked = self.look.attend(query, prepared.pictures, hidden)
        symbol = (part - pictures).clamp(0, prepared.symbols.shape[1] - 1)  # (B, 1)
        read = prepared.symbols.gather(1, symbol.unsqueeze(-1).expand(-1, -1, prepared.symbols.shape[2])).squeeze(1)
        attention = torch.where(looks.unsqueeze(-1), looked.attention, 0)  # none while it reads
        return Observation(torch.where(looks, looked.seen, read), attention)


class PreparedSchedule(NamedTuple):
    """What is shown one after the other."""

    pictures: PreparedAttention  # all tokens of all pictures
    picture: Tensor  # (L,) int64, which picture a token is of
    symbols: Tensor  # (B, m + 1, E), the last one is nothing

    @property
    def grid(self) -> tuple[int, ...]:
        """The shape (n, *grid) of the maps of all pictures."""
        return self.pictures.grid

    @property
    def samples(self) -> tuple[Tensor, ...]:
        """Keys, values and symbols."""
        return (*self.pictures.samples, self.symbols)

    def of(self, samples: tuple[Tensor, ...]) -> "PreparedSchedule":
        """The same for other samples."""
        keys, values, symbols = samples
        return self._replace(pictures=self.pictures.of((keys, values)), symbols=symbols)


def sinusoids(count: int, width: int) -> Float[Tensor, "{count} {width}"]:
    """Sines and cosines, in turn, of 0, 1, … at frequencies from 1 down to 1 / 10,000 (Vaswani et al. 2017)."""
    frequencies = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    phases = torch.arange(count).unsqueeze(1) * frequencies  # (count, width / 2)
    return torch.stack([phases.sin(), phases.cos()], dim=-1).flatten(1)[:, :width]
