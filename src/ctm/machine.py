"""The Continuous Thought Machine: one loop over internal ticks (Figure 3, Listing 1).

data --> backbone (once) --> Observer --> o --+
                                ^             v
        action representation --+           Core: (z, o) --> z
                                |             |
                                +-- what z says, for action and for output --> Readout --> answer, certainty
"""

import warnings
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ctm.backbones.base import BackboneConfig
from ctm.config import Config
from ctm.cores.base import CoreConfig
from ctm.errors import ConfigError
from ctm.hooked_weights import compute_weights, computes_weight
from ctm.inputs import Inputs, as_tuple, require_batch
from ctm.interventions import Intervention, Neurons, Ticks
from ctm.observers.base import Observation, ObserverConfig
from ctm.readouts import ReadoutConfig
from ctm.saving import Pretrained
from ctm.synchronization import NoRepresentation, RepresentationConfig
from ctm.thoughts import RECORDED, Record, Thoughts, recorded_names


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
    readout: ReadoutConfig
    """The shape of an answer."""
    action: RepresentationConfig = NoRepresentation.Config()
    """How the latent state is read to look; none for an observer that takes no query."""
    seed: int | None = None
    """Seed of the choice of neuron pairs; nothing to draw them like the weights, so that the seed of training varies
    them, too."""

    def validate(self) -> None:
        self.require(self.ticks >= 1, "ticks", "at least 1")
        self.require(
            (self.action.size(self.core.neurons) > 0) == self.observer.uses_query,
            "action",
            "a representation to form queries from"
            if self.observer.uses_query
            else f"none, since the observer {self.observer.kind!r} takes no query",
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


OnTick = Callable[[int, State, Observation], State | None]
"""Called after every tick with its number in this pass, the state after it and what was seen; may give another."""


class Prepared(NamedTuple):
    """Everything that no tick changes, computed once per forward pass."""

    observer: Any
    core: Any
    action: Any
    output: Any


class ContinuousThoughtMachine(nn.Module, Pretrained):
    """A machine that thinks: neurons with histories, whose synchronization looks and answers.

    >>> model = ctm.build("digits")
    >>> thoughts = model(images)                     # 15 ticks
    >>> thoughts.at("most_certain").argmax(-1)       # (B,) labels

    Args:
        config: the parts and their sizes.
    """

    config: MachineConfig
    config_class = MachineConfig

    def __init__(self, config: MachineConfig) -> None:
        super().__init__()
        self.config = config
        neurons, channels = config.core.neurons, config.backbone.channels
        pairs = torch.default_generator if config.seed is None else torch.Generator().manual_seed(config.seed)
        self.backbone = config.backbone.build()
        self.observer = config.observer.build(channels, config.action.size(neurons))
        self.core = config.core.build(config.observer.width(channels))
        self.action = config.action.build(neurons, "action", pairs)
        self.output = config.output.build(neurons, "output", pairs)
        self.readout = config.readout.build(config.output.size(neurons))
        self.interventions: list[Intervention] = []  # of all threads

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "interventions": []}  # they end with a block, which a copy would never leave

    def forward(
        self,
        x: Inputs,
        *others: Tensor,
        ticks: int | None = None,
        state: State | None = None,
        record: bool | Collection[str] = False,
        on_tick: OnTick | None = None,
    ) -> Thoughts:
        """Thinks about a batch.

        Args:
            x: a batch of what the backbone takes.
            others: what the observer takes besides, as in `model(pictures, questions)`; `x` may also be a tuple of all.
            ticks: how many ticks to think; by default as many as configured, after those at which the observer shows
                the input part by part.
            state: where to go on from, as returned in an earlier `Thoughts`; by default the learned start. What is
                shown to a sample goes by its own age; of different ages, the youngest says from when on answers of
                this pass are due.
            record: also return what happened inside at every tick; True for everything, or names of fields of
                `Record`, such as {"attention"}, for nothing else.
            on_tick: called after every tick, `on_tick(tick, state, observation)`, with its number in this pass, from
                0. A state that it returns takes the place of the one it was given: answers, records and later ticks
                see what it changed. Gradients flow through it. It changes copies, not the tensors it is given.

        Returns:
            the answers of all ticks with their certainty, and the state to go on from.

        Raises:
            TypeError: if `x` is no tensor, or `on_tick` returns something else than a state.
            ValueError: if `ticks` is not positive, the state is one of another number of samples, the observer takes
                more or fewer tensors, there is no sample or none of the shape that the backbone takes, or a name to
                record is unknown.
        """
        inputs = (*as_tuple(x), *others)
        batch, shown = require_batch(inputs), self.observer.shown(inputs)
        if state is not None:
            if (samples := len(state.ticks)) != batch:
                raise ValueError(f"state of {samples} samples: expected {batch}, as many as x has")
            shown = shown and max(shown - int(state.ticks.min()), 0)  # waits for the device
        ticks = shown + self.config.ticks if ticks is None else ticks
        if ticks < 1:
            raise ValueError(f"ticks = {ticks}: expected at least 1")
        with _warned_of_silent_hooks(self):
            prepared = self.prepare(inputs, ticks)
            state = self.start(batch) if state is None else state
            return self.unroll(state, prepared, ticks, record, on_tick)._replace(shown=shown)

    def unroll(
        self,
        state: State,
        prepared: Prepared,
        ticks: int,
        record: bool | Collection[str] = False,
        on_tick: OnTick | None = None,
    ) -> Thoughts:
        """Several ticks in a row, and what they say: `forward` with inputs that were prepared before.

        Args:
            state: where to go on from.
            prepared: what `prepare` gave.
            ticks: how many.
            record: as for `forward`.
            on_tick: as for `forward`.
        """
        names = recorded_names(record)
        outputs, notes = [], []
        for tick in range(ticks):
            before, (state, observation) = state, self.step(state, prepared)
            if on_tick is not None:
                state = _replaced(state, on_tick(tick, state, observation))
            outputs.append(self.output.read(state.output))  # (B, P)
            if names:
                notes.append(self._note(names, before, state, observation))
        output = torch.stack(outputs, dim=1)  # (B, T, P)
        logits = self.readout(output)  # (B, T, *answer, C)
        sure = self.readout.certainty(logits)  # (B, T)
        kept = None
        if names:
            kept = Record(*_stack(notes), output if "output" in names else None, prepared.observer.grid)
        return Thoughts(logits, sure, state, kept)

    def prepare_weights(self, ticks: int = 0) -> Prepared:
        """What depends on weights alone: of the observer its linear maps, of the other parts everything.

        Args:
            ticks: as for `prepare`.
        """
        compute_weights(self.observer, self.core, self.action, self.output)
        return Prepared(
            self.observer.prepare_weights(), self.core.prepare(ticks), self.action.prepare(), self.output.prepare()
        )

    def prepare(self, x: Inputs, ticks: int = 0, weights: Prepared | None = None) -> Prepared:
        """Everything that does not change over ticks: features, keys and values, weights, forgetting factors.

        Args:
            x: a batch of what the backbone takes, or a tuple of that and what the observer takes besides.
            ticks: how many steps will follow each other, so that their histories can share a buffer. Any state may be
                given to any step; one that is not the latest begins another buffer. With 0 there is none. Histories
                in a buffer are views that ticks share: change copies of them, not themselves.
            weights: what `prepare_weights` gave, while no weight has changed since; with them `ticks` says nothing.

        Raises:
            TypeError, ValueError: for inputs that the machine does not take, as in `forward`.
        """
        require_batch(x)
        x, *others = as_tuple(x)
        features = self.backbone(x)  # (B, C, *grid)
        self._check(features)
        weights = self.prepare_weights(ticks) if weights is None else weights
        return self.prepare_features((features, *others) if others else features, weights)

    def prepare_features(self, features: Inputs, weights: Prepared) -> Prepared:
        """As `prepare`, of what the backbone made of the inputs, with what `prepare_weights` gave.

        Args:
            features: (B, C, *grid), or a tuple of them and what the observer takes besides.
            weights: what `prepare_weights` gave, while no weight has changed since.
        """
        known = () if weights.observer is None else (weights.observer,)
        return weights._replace(observer=self.observer.prepare(features, *known))  # ty: ignore

    def _check(self, features: Tensor) -> None:
        """Raises `ValueError` if features are not what the backbone's configuration declares."""
        backbone, shape = self.config.backbone, tuple(features.shape)
        if len(shape) != 2 + backbone.dimensions or shape[1] != backbone.channels:
            raise ValueError(
                f"features of shape {shape}: expected (B, {backbone.channels}) and then a grid of "
                f"{backbone.dimensions} dimensions, as the configuration of the backbone {backbone.kind!r} says"
            )
        if not features.is_floating_point():
            raise ValueError(f"features of {features.dtype}: expected floating-point numbers")

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
        if self.interventions:
            for intervention in tuple(self.interventions):
                z = intervention.apply(z, state.ticks)
            core = self.core.replace_post_activations(core, z)
        action = self.action.step(state.action, z, prepared.action)
        output = self.output.step(state.output, z, prepared.output)
        return State(core, action, output, state.ticks + 1), observation

    def intervene(
        self, tick: Ticks = None, *, neurons: Neurons, value: float | Tensor
    ) -> AbstractContextManager[Intervention]:
        """Sets post-activations of chosen neurons inside a `with` block, wherever this machine thinks in it, but for
        other threads.

        >>> with model.intervene(tick=range(3, 6), neurons=[1, 2], value=0.0):  # a lesion
        ...     thoughts = model(images)

        The values are set after the core has thought, and before synchronization and the next tick, which both see
        them. Blocks within each other act one after the other, the outer one first. After the block nothing remains.

        Args:
            tick: when: a number from 0, a `range`, a `slice`, which may be open, or None for every tick. Ticks are
                counted for each sample from its start, so that they mean the same in a pass that goes on from a state.
            neurons: which, by their numbers from 0.
            value: a number; or a tensor, (n,) for the neurons or (B, n) for samples, too.

        Raises:
            TypeError: for neurons or ticks that are no whole numbers.
            ValueError: for neurons that do not exist or are named twice, ticks below 0, or values that do not fit.

        Warns:
            UserWarning: at the end of the block, if no sample came to such a tick.
        """
        return self._intervening(Intervention(self.config.core.neurons, tick, neurons, value))

    @contextmanager
    def _intervening(self, intervention: Intervention) -> Generator[Intervention]:
        self.interventions.append(intervention)
        try:
            yield intervention
        finally:
            self.interventions.remove(intervention)
        intervention.warn_if_it_never_came()

    def _note(self, names: Collection[str], before: State, after: State, observation: Observation) -> list[Any]:
        """What `Record` keeps of a tick, in its order; `output` is kept in any case."""
        found = {
            "pre_activations": lambda: after.core.pre_activations,
            "post_activations": lambda: after.core.post_activations,
            "action": lambda: self.action.read(before.action),
            "attention": lambda: observation.attention,
        }
        return [found[name]() if name in names else None for name in RECORDED if name in found]


def _stack(notes: list[list[Any]]) -> list[Any]:
    """Joins the notes of all ticks: each (B, …) becomes (B, T, …)."""
    return [None if column[0] is None else torch.stack(column, dim=1) for column in zip(*notes, strict=True)]


def _replaced(state: State, other: Any) -> State:
    """The state that `on_tick` returned, or the one it was given if it returned nothing."""
    if other is None:
        return state
    if not isinstance(other, State):
        raise TypeError(f"on_tick returned {type(other).__qualname__}: expected a State, or None to change nothing")
    if len(other.ticks) != len(state.ticks):
        raise ValueError(f"on_tick returned a state of {len(other.ticks)} samples: expected {len(state.ticks)}")
    return other


@contextmanager
def _warned_of_silent_hooks(model: nn.Module) -> Generator[None]:
    """Warns of hooks of PyTorch on modules that a pass did not call: most parts are prepared and stepped instead."""
    silent = {name: module for name, module in model.named_modules() if module is not model and _is_hooked(module)}
    if not silent:
        yield
        return
    seen = [module.register_forward_pre_hook(_Heard(silent, name)) for name, module in silent.items()]
    try:
        yield
    except Exception as error:
        if silent:
            error.add_note(_silence(silent))
        raise
    finally:
        for handle in seen:
            handle.remove()
    if silent:
        warnings.warn(_silence(silent), stacklevel=6)


def _silence(modules: Iterable[str]) -> str:
    return (
        f"hooks on {', '.join(modules)} do not fire: parts are not called like modules but prepared once and stepped "
        "at every tick; use model(x, on_tick=…), record=… or model.intervene(…) instead, and give the whole machine to "
        "what wraps modules by hooks, such as fully_shard(model)"
    )


class _Heard:
    """A hook that strikes out the module it is called by."""

    def __init__(self, silent: dict[str, nn.Module], name: str) -> None:
        self.silent, self.name = silent, name

    def __call__(self, module: nn.Module, arguments: Any) -> None:
        self.silent.pop(self.name, None)


def _is_hooked(module: nn.Module) -> bool:
    kinds = "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"
    return any(not computes_weight(hook) for kind in kinds for hook in getattr(module, kind).values())
