"""What a machine costs, counted instead of measured: parameters, multiplications, the memory of a training step.

The machine itself thinks, trains a step and is watched, on tensors that have shapes but no values. So nothing is
computed, no data are needed, and every part counts, those of one's own too.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ctm.errors import ConfigError
from ctm.inputs import Inputs, as_tuple, slice_batch, tree_map
from ctm.losses import two_tick_loss
from ctm.losses.cross_entropy import cross_entropy_over_ticks
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.registry import preset
from ctm.training.config import Experiment, TrainingConfig
from ctm.transforms.recomputation import recompute


class PartCosts(NamedTuple):
    """Of one part: parameters, and multiplications with their additions, in matrix products and convolutions."""

    parameters: int
    """Numbers that are learned."""
    per_pass: int
    """Multiplications of weights by weights, once a pass, however large the batch."""
    per_sample: int
    """Multiplications once for each sample."""
    per_tick: int
    """Multiplications for each sample at each tick."""


class Memory(NamedTuple):
    """Bytes of a training step on one device, beyond the batch itself."""

    samples: int
    """How many samples are in memory at once: a micro-batch of one process."""
    weights: int
    """Parameters and buffers."""
    optimizer: int
    """What the optimiser remembers."""
    working: int
    """All else at the fullest moment: what ticks keep for the backward pass, gradients, intermediate results."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.optimizer + self.working


class Costs(NamedTuple):
    """What `count` returns."""

    parts: dict[str, PartCosts]
    """By part; the subdivisions of a core, such as "core.synapses", count what they do, and "core" the rest of it."""
    ticks: int
    """T, those at which the input is shown included."""
    memory: Memory | None
    """Of a training step with samples; nothing where a machine learns otherwise."""

    @property
    def total(self) -> PartCosts:
        """Of all parts."""
        return PartCosts(*map(sum, zip(*self.parts.values(), strict=True)))

    @property
    def multiplications(self) -> int:
        """Of one sample in a pass of T ticks, without those that the whole batch shares."""
        return self.total.per_sample + self.ticks * self.total.per_tick


def count(what: str | Experiment | MachineConfig, input_shape: tuple[int, ...] | None = None) -> Costs:
    """Counts what a machine costs.

    >>> costs = ctm.count("parity/paper-75")
    >>> costs.parts["core.synapses"].per_tick, costs.multiplications, costs.memory.total

    What is done element by element, such as the products of neuron pairs, is left out of the multiplications. The
    memory is the peak of all tensors that are alive at once during a training step, with the batch, the micro-batches,
    the precision and the optimiser of the experiment (for a machine alone, 64 samples and the defaults) and the
    two-tick loss. On a device come its libraries on top, on a CPU also large weights once more in oneDNN's order.

    Args:
        what: a preset, an experiment, or a machine.
        input_shape: of one sample as the backbone takes it, such as (3, 224, 224); for a machine without a task.

    Raises:
        ConfigError: if a machine comes without the shape of its inputs, or one that it does not take, an experiment
            with one, or a part looks at values, so that it cannot be counted without data.
        DataError: if the task has to see its data, and they are missing.
    """
    found = preset(what) if isinstance(what, str) else what
    if isinstance(found, Experiment):
        if input_shape is not None:
            raise ConfigError(f"input_shape = {input_shape}: expected nothing, since the task says what its inputs are")
        training = found.training
    else:
        training = TrainingConfig(iterations=1)
    supervised = training if isinstance(training, TrainingConfig) else None
    samples = 1
    if supervised is not None:
        samples = supervised.batch_size // (supervised.accumulate * supervised.devices * supervised.nodes)
    if isinstance(found, Experiment):
        model, inputs = _with_inputs(found, max(samples, 2))
    else:
        model, inputs = found, _empty(input_shape, max(samples, 2))
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            inputs = tree_map(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype), inputs)
            parts, ticks = _parts(model, inputs)
            samples = slice_batch(inputs, 0, samples)
            return Costs(parts, ticks, None if supervised is None else _memory(model, supervised, samples))
    except (ValueError, RuntimeError) as error:
        raise ConfigError(f"count: this machine does not think about inputs without values: {error}") from error


def _with_inputs(experiment: Experiment, batch: int) -> tuple[MachineConfig, Inputs]:
    """The model and what it takes: of shapes that the task says, or else of its data."""
    inputs = experiment.task.example(batch)
    if inputs is None:
        experiment = experiment.fitted()
        inputs = experiment.task.build().batch(seed=0, iteration=0, size=batch).inputs
    return experiment.model, inputs


def _empty(shape: tuple[int, ...] | None, batch: int) -> Tensor:
    if not shape or min(shape) < 1:
        expected = "sizes of a sample, such as (3, 224, 224), since this machine has no task that knows them"
        raise ConfigError(f"input_shape = {shape}: expected {expected}")
    return torch.empty(batch, *shape)


def _parts(config: MachineConfig, inputs: Inputs) -> tuple[dict[str, PartCosts], int]:
    """What the parts cost, from passes over one and two samples, of one and two ticks; and T."""
    model = config.build().eval()
    counter = _PartCounter(model)
    least, wider, longer = (
        counter.of_a_pass(slice_batch(inputs, 0, b), ticks) for b, ticks in ((1, 1), (2, 1), (2, 2))
    )
    costs = {}
    for name, parameters in counter.parameters().items():
        per_tick = (longer[name] - wider[name]) // 2
        per_sample = wider[name] - least[name] - per_tick
        costs[name] = PartCosts(parameters, least[name] - per_sample - per_tick, per_sample, per_tick)
    return costs, model.observer.shown(inputs) + config.ticks


_METHODS = ("forward", "prepare_weights", "prepare", "start", "step", "read")
"""What a machine calls of its parts."""


class _PartCounter:
    """Multiplications by the part whose method makes them, of several parts inside each other by the innermost.

    Args:
        model: whose parts are watched from now on.
    """

    def __init__(self, model: ContinuousThoughtMachine) -> None:
        self._model = model
        prepared: dict[str, Any] = {
            f"core.{name}": part for name, part in model.core.named_children() if hasattr(part, "prepare")
        }
        self._parts: dict[str, nn.Module] = {}
        for name, part in model.named_children():
            self._parts |= {name: part} | (prepared if name == "core" else {})
        self._counts: Counter[str] = Counter()
        self._flops = FlopCounterMode(display=False)
        for name, part in self._parts.items():
            for method in filter(partial(hasattr, part), _METHODS):
                setattr(part, method, partial(self._inside, name, getattr(part, method)))
        for name, part in prepared.items():  # to something that is called at every tick
            part.prepare = partial(self._prepare, name, part.prepare)

    def of_a_pass(self, inputs: Inputs, ticks: int) -> Counter[str]:
        """The multiplications of a pass as in training, where no bias is one more column of weights."""
        self._counts = Counter()
        with self._flops:
            prepared = self._model.prepare(inputs)
            self._model.unroll(self._model.start(len(as_tuple(inputs)[0])), prepared, ticks)
        return self._counts

    def parameters(self) -> Counter[str]:
        """How many each part has, without those of the parts in it."""
        own = {name: sum(p.numel() for p in part.parameters()) for name, part in self._parts.items()}
        return Counter(own | {"core": own["core"] - sum(own[name] for name in own if name.startswith("core."))})

    def _inside(self, name: str, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        before, others = self._flops.get_total_flops(), self._counts.total()
        made = function(*arguments, **named)
        inner = self._counts.total() - others
        self._counts[name] += (self._flops.get_total_flops() - before) // 2 - inner
        return made

    def _prepare(self, name: str, prepare: Callable[..., Callable[..., Any]], *arguments: Any) -> Callable[..., Any]:
        return partial(self._inside, name, prepare(*arguments))


def _memory(config: MachineConfig, training: TrainingConfig, inputs: Inputs) -> Memory:
    """What a training step takes, watched."""
    model = config.build()
    if training.recompute:
        recompute(model)
    optimizer, parameters = training.optimizer.build(model), list(model.parameters())
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # makes what it remembers
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(training.precision)
    batch = len(as_tuple(inputs)[0])
    targets = torch.zeros(batch, *config.readout.shape[:-1], dtype=torch.int64)
    weights = [*parameters, *model.buffers()]
    remembered = [value for state in optimizer.state.values() for value in state.values()]
    gradients = [parameter.grad for parameter in parameters if training.accumulate > 1]  # of earlier micro-batches
    if not gradients:
        optimizer.zero_grad()
    with _Alive([*weights, *remembered, *gradients, targets, *as_tuple(inputs)]) as alive:
        with torch.autocast("cpu", half, enabled=half is not None):
            thoughts = model(inputs)
            loss = two_tick_loss(cross_entropy_over_ticks(thoughts.logits, targets), thoughts.certainty)
        loss.backward()
        optimizer.step()
    return Memory(batch, _bytes(weights), _bytes(remembered), alive.peak + _bytes(gradients))


def _bytes(tensors: Iterable[Any]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


class _Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside and alive at once.

    Args:
        others: tensors that were there before.

    Attributes:
        peak: the most there were.
    """

    def __init__(self, others: Iterable[Any]) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._others = [tensor.untyped_storage() for tensor in others]  # kept, so that no other has their address
        self._known = {storage._cdata for storage in self._others}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        return made

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self._known:
            self._known.add(storage._cdata)
            self._now += storage.nbytes()
            self.peak = max(self.peak, self._now)
            weakref.finalize(storage, self._forget, storage._cdata, storage.nbytes())

    def _forget(self, address: int, size: int) -> None:
        self._known.remove(address)
        self._now -= size
