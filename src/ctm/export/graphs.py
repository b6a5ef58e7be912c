"""The parts of a forward pass as modules from named tensors to named tensors, which is what can be exported.

`Prepare` runs once, `Tick` again and again with its own state, `Certainty` where an answer is made of several ticks'.
"""

import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ctm.inputs import as_tuple, tree_leaves, tree_map
from ctm.machine import ContinuousThoughtMachine, State
from ctm.runtime.machine import KEPT, NEXT


class Graph(nn.Module):
    """Base of the parts; called with tensors (B, …) in the order of `inputs`, it gives those of `outputs`.

    Attributes:
        inputs: names, with a tensor of an example for each.
        outputs: names.
    """

    inputs: dict[str, Tensor]
    outputs: tuple[str, ...]


class Prepare(Graph):
    """What no tick changes, and the learned start of every sample.

    Args:
        model: in evaluation mode.
        inputs: an example, (B, …), of what the machine takes.
    """

    def __init__(self, model: ContinuousThoughtMachine, inputs: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.model = model
        self.inputs = {name_of_input(place): tensor for place, tensor in enumerate(inputs)}
        prepared = names_of_prepared(model.prepare(inputs).observer.samples)
        self.outputs = (*prepared, *dict(named_leaves(model.start(1))))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        samples = self.model.prepare(inputs).observer.samples
        return (*samples, *tree_leaves(start_of_each(self.model, inputs[0].shape[0])))


class Tick(Graph):
    """One tick: from what was prepared and a state to an answer, how sure it is, and the next state.

    What depends on weights alone is computed now, so that it is constant.

    Args:
        model: in evaluation mode.
        inputs: an example of what the machine takes.
        lesions: whether it takes one more input, (B, D), 1 for neurons that are kept and 0 for those that are silenced,
            as `model.intervene(neurons=…, value=0)` does.
    """

    def __init__(self, model: ContinuousThoughtMachine, inputs: tuple[Tensor, ...], lesions: bool = False) -> None:
        super().__init__()
        self.model = model
        self.lesions = lesions
        self.prepared = model.prepare(inputs)
        self.start = start_of_each(model, inputs[0].shape[0])
        samples, state = self.prepared.observer.samples, dict(named_leaves(self.start))
        self.prepared_names = names_of_prepared(samples)
        kept = {KEPT: torch.ones_like(self.start.core.post_activations)} if lesions else {}  # (B, D)
        self.inputs = kept | dict(zip(self.prepared_names, samples, strict=True)) | state
        self.attends = model.step(self.start, self.prepared)[1].attention is not None
        attention = ("attention",) if self.attends else ()
        self.outputs = ("logits", "certainty", *attention, *(NEXT + name for name in state))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        kept, tensors = (tensors[0], tensors[1:]) if self.lesions else (None, tensors)
        leaves = iter(tensors[len(self.prepared_names) :])
        state: State = tree_map(lambda _: next(leaves), self.start)
        prepared = self.prepared._replace(observer=self.prepared.observer.of(tensors[: len(self.prepared_names)]))
        with _silenced(self.model, kept):
            state, observation = self.model.step(state, prepared)
        logits = self.model.readout(self.model.output.read(state.output))
        attention = (observation.attention,) if self.attends else ()
        return (logits, self.model.readout.certainty(logits), *attention, *tree_leaves(state))


class Certainty(Graph):
    """How sure an answer is.

    Args:
        model: in evaluation mode.
        inputs: an example of what the machine takes.
    """

    def __init__(self, model: ContinuousThoughtMachine, inputs: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.readout = model.readout
        self.inputs = {"logits": torch.zeros(len(inputs[0]), *model.readout.shape)}
        self.outputs = ("certainty",)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(map(self.readout.certainty, tensors))


class _Lesion:
    """An intervention whose neurons are known only when the exported machine thinks."""

    def __init__(self, kept: Tensor) -> None:
        self.kept = kept

    def apply(self, z: Tensor, ticks: Tensor) -> Tensor:
        return z * self.kept


@contextmanager
def _silenced(model: ContinuousThoughtMachine, kept: Tensor | None) -> Generator[None]:
    """Inside it, the machine thinks with those neurons only; with all of them if nothing is given."""
    before = model.interventions
    model.interventions = before if kept is None else [_Lesion(kept)]  # ty: ignore[invalid-assignment]
    yield
    model.interventions = before


def name_of_input(place: int) -> str:
    """What an input is called: x, and those besides it x1, x2, …"""
    return f"x{place or ''}"


def names_of_prepared(samples: tuple[Tensor, ...]) -> list[str]:
    """What the tensors that an observer prepared are called."""
    return [f"prepared.{place}" for place in range(len(samples))]


def named_leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors of nested tuples, in order, with the names of the fields that lead to them, joined by dots."""
    if isinstance(tree, Tensor):
        yield name, tree
    elif tree is not None:
        fields = getattr(tree, "_fields", itertools.count())
        for field, part in zip(fields, tree, strict=False):
            yield from named_leaves(part, f"{name}.{field}" if name else str(field))


def start_of_each(model: ContinuousThoughtMachine, batch: int) -> State:
    """The learned start, with a row for each sample in every tensor."""
    return tree_map(lambda tensor: tensor.expand(batch, *tensor.shape[1:]), model.start(batch))


def example(inputs: Any) -> tuple[Tensor, ...]:
    """Inputs of two samples at least, since sizes of one are not seen as sizes that may vary."""
    tensors = as_tuple(inputs)
    return tuple(torch.cat([tensor, tensor])[: max(2, len(tensor))].cpu() for tensor in tensors)
