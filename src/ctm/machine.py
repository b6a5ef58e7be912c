"""The Continuous Thought Machine: one loop over internal ticks (Figure 3, Listing 1).

data --> backbone (once) --> Observer --> o --+
                                ^             v
        action representation --+           Core: (z, o) --> z
                                |             |
                                +-- what z says, for action and for output --> Readout --> answer, certainty
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig
from ctm.certainty import certainty
from ctm.config import Config, ConfigError
from ctm.cores.neuron import CoreConfig
from ctm.inputs import Inputs, as_tuple
from ctm.observers.attention import Observation, ObserverConfig
from ctm.readouts.classes import Readout
from ctm.synchronization import NoRepresentation, RepresentationConfig
from ctm.thoughts import Record, Thoughts


@dataclass(frozen=True)
class MachineConfig(Config):
    """A machine: how long it thinks, and the parts it is made of."""

    ticks: int
    """T, internal ticks of a forward pass, unless the call says otherwise; where the observer shows the input part by
    part, those after the last part."""
    backbone: BackboneConfig
    """Turns the data into features, once."""
    observer: ObserverConfig
    """What is seen of the features at a tick."""
    core: CoreConfig
    """The recurrence over the latent state."""
    output: RepresentationConfig
    """How the latent state is read to answer."""
    readout: Readout.Config
    """The shape of an answer."""
    action: RepresentationConfig = NoRepresentation.Config()
    """How the latent state is read to look; silent for an observer that does not ask."""
    seed: int = 0
    """Seed of the choice of neuron pairs."""

    def validate(self) -> None:
        self.require(self.ticks >= 1, "ticks", "at least 1")
        self.require(
            (self.action.size(self.core.neurons) > 0) == self.observer.uses_query,
            "action",
            "a representation to form queries from"
            if self.observer.uses_query
            else "silence: this observer never uses_query",
        )
        self.observer.check(self.backbone.dimensions)
        claimed = self.action.exclusive_neurons + self.output.exclusive_neurons
        if claimed > self.core.neurons:
            raise ConfigError(
                f"core.neurons = {self.core.neurons}: expected at least {claimed}, "
                "since dense action and output pairings must not share neurons"
            )

    def build(self) -> "ContinuousThoughtMachine":
        """Makes the machine, with fresh weights."""
        return ContinuousThoughtMachine(self)


class State(NamedTuple):
    """Everything a machine carries from tick to tick."""

    core: Any  # NeuronState, or what another core remembers
    action: Any  # SynchronizationState, z for a snapshot, or nothing
    output: Any
    ticks: Tensor  # (B,) int64, how many each sample has thought


class Prepared(NamedTuple):
    """Everything that no tick changes, computed once per forward pass."""

    observer: Any
    core: Any
    action: Any
    output: Any


class ContinuousThoughtMachine(nn.Module):
    """A machine that thinks: neurons with histories, whose synchronization looks and answers.

    >>> model = ctm.build("digits")
    >>> thoughts = model(images)                     # 15 ticks
    >>> thoughts.at("most_certain").argmax(-1)       # (B,) labels

    Args:
        config: the parts and their sizes.
    """

    def __init__(self, config: MachineConfig) -> None:
        super().__init__()
        self.config = config
        neurons, channels = config.core.neurons, config.backbone.channels
        pairs = torch.Generator().manual_seed(config.seed)
        self.backbone = config.backbone.build()
        self.observer = config.observer.build(channels, config.action.size(neurons))
        self.core = config.core.build(config.observer.width(channels))
        self.action = config.action.build(neurons, "action", pairs)
        self.output = config.output.build(neurons, "output", pairs)
        self.readout = Readout(config.readout, config.output.size(neurons))

    def forward(
        self, x: Inputs, *others: Tensor, ticks: int | None = None, state: State | None = None, record: bool = False
    ) -> Thoughts:
        """Thinks about a batch.

        Args:
            x: a batch of what the backbone takes.
            others: what the observer takes besides, as in `model(pictures, questions)`; `x` may also be a tuple of all.
            ticks: how many ticks to think; by default as many as configured, after those at which the observer shows
                the input part by part.
            state: where to go on from, as returned in an earlier `Thoughts`; by default the learned start.
            record: also return what happened inside at every tick.

        Returns:
            the answers of all ticks with their certainty, and the state to go on from.

        Raises:
            ValueError: if `ticks` is not positive, the state is one of another number of samples, or the observer
                takes more or fewer tensors.
        """
        inputs = (*as_tuple(x), *others)
        batch, shown = len(inputs[0]), self.observer.shown(inputs)
        ticks = shown + self.config.ticks if ticks is None else ticks
        if ticks < 1:
            raise ValueError(f"ticks = {ticks}: expected at least 1")
        if state is not None and (samples := len(state.ticks)) != batch:
            raise ValueError(f"state of {samples} samples: expected {batch}, as many as x has")
        prepared = self.prepare(inputs, ticks)
        shown, state = (shown, self.start(batch)) if state is None else (0, state)
        outputs, notes = [], []
        for _ in range(ticks):
            before, (state, observation) = state, self.step(state, prepared)
            outputs.append(self.output.read(state.output))  # (B, P)
            if record:
                notes.append(self._note(before, state, observation))
        output = torch.stack(outputs, dim=1)  # (B, T, P)
        logits = self.readout(output)  # (B, T, *answer, C)
        sure = certainty(logits, positions=len(self.config.readout.answer))  # (B, T)
        kept = Record(*_stack(notes), output, prepared.observer.grid) if record else None
        return Thoughts(logits, sure, state, kept, shown)

    def prepare(self, x: Inputs, ticks: int = 0) -> Prepared:
        """Everything that does not change over ticks: features, keys and values, weights, forgetting factors.

        Args:
            x: a batch of what the backbone takes, or a tuple of that and what the observer takes besides.
            ticks: how many steps will follow each other, so that their histories can share a buffer; 0 makes every
                `step` a pure function, which may be called in any order and for ever.
        """
        x, *others = as_tuple(x)
        features = self.backbone(x)  # (B, C, *grid)
        observer = self.observer.prepare((features, *others) if others else features)
        return Prepared(observer, self.core.prepare(ticks), self.action.prepare(), self.output.prepare())

    def start(self, batch: int) -> State:
        """The learned state before the first tick, for `batch` samples."""
        core = self.core.start(batch)
        z = core.post_activations  # z^1 (B, D)
        ticks = torch.zeros(batch, dtype=torch.int64, device=z.device)
        return State(core, self.action.start(z), self.output.start(z), ticks)

    def step(self, state: State, prepared: Prepared) -> tuple[State, Observation]:
        """One internal tick: look, connect, think, synchronize."""
        query = self.action.read(state.action)  # (B, P_action)
        observation = self.observer.step(query, prepared.observer, state.ticks)  # o (B, E)
        core = self.core.step(state.core, observation.seen, prepared.core)
        z = core.post_activations  # (B, D)
        action = self.action.step(state.action, z, prepared.action)
        output = self.output.step(state.output, z, prepared.output)
        return State(core, action, output, state.ticks + 1), observation

    def _note(self, before: State, after: State, observation: Observation) -> tuple[Any, ...]:
        """What `Record` keeps of a tick, in its order."""
        return (
            after.core.pre_activations,
            after.core.post_activations,
            self.action.read(before.action),
            observation.attention,
        )


def _stack(notes: list[tuple[Any, ...]]) -> list[Any]:
    """Joins the notes of all ticks: each (B, …) becomes (B, T, …)."""
    return [None if column[0] is None else torch.stack(column, dim=1) for column in zip(*notes, strict=True)]
