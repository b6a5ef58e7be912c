"""Samples that are thought about together, whatever their ages: some leave, others take their places."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ctm.certainty import certainty
from ctm.choosing import Choice
from ctm.machine import ContinuousThoughtMachine, State
from ctm.thoughts import Rule


class Minds(NamedTuple):
    """What is kept of samples of different ages; every tensor has a row for each, (B, …)."""

    index: Tensor  # (B,) int64, which of all samples they are
    ticks: Tensor  # (B,) int64, their ages
    samples: tuple[Tensor, ...]  # what the observer prepared for them
    state: State
    choice: Choice


class Pool:
    """A batch that stays full as long as there are samples.

    Args:
        model: in evaluation mode.
        batches: samples (n, …), any number at a time and otherwise of one shape.
        size: B, how many are thought about at a time.
        rule: how an answer is chosen among those of all ticks.
        threshold: for the rule "sure".

    Attributes:
        minds: those in the pool; nothing when all samples have left.
    """

    @torch.no_grad()
    def __init__(
        self, model: ContinuousThoughtMachine, batches: Iterable[Tensor], size: int, rule: Rule, threshold: float
    ) -> None:
        self.model = model
        self.rule: Rule = rule
        self.threshold = threshold
        self._groups = grouped(batches, size)
        self._waiting: Any = None
        self._prepared: Any = None
        self._seen = 0
        self.minds: Any = self._arrivals(size)

    @torch.no_grad()
    def tick(self) -> None:
        """One internal tick of all."""
        model, minds = self.model, self.minds
        prepared = self._prepared._replace(observer=self._prepared.observer.of(minds.samples))
        state, _ = model.step(minds.state, prepared)
        logits = model.readout(model.output.read(state.output))  # (B, *answer, C)
        choice = minds.choice.add(logits, certainty(logits, logits.dim() - 2), self.rule, self.threshold)
        self.minds = minds._replace(ticks=minds.ticks + 1, state=state, choice=choice)

    @torch.no_grad()
    def at(self, places: Tensor) -> tuple[Choice, Tensor, Tensor]:
        """Choice, age and index of those at some places."""
        return _rows((self.minds.choice, self.minds.ticks, self.minds.index), places)

    @torch.no_grad()
    def replace(self, places: Tensor) -> None:
        """Puts new samples where others leave, and closes the gaps when there are too few."""
        while len(places) and (new := self._arrivals(len(places))) is not None:
            filled, places = places.split([len(new.index), len(places) - len(new.index)])
            _map(functools.partial(_write, filled), self.minds, new)
        if len(places):
            staying = torch.ones_like(self.minds.index).index_fill(0, places, 0).nonzero().squeeze(1)
            self.minds = _rows(self.minds, staying) if len(staying) else None

    def _arrivals(self, count: int) -> Minds | None:
        """The next samples, at most so many; nothing when there are no more."""
        if self._waiting is None or not len(self._waiting.index):
            inputs = next(self._groups, None)
            if inputs is None:
                return None
            self._waiting = self._begin(inputs)
        arriving = _map(lambda rows: rows[:count], self._waiting)
        self._waiting = _map(lambda rows: rows[count:], self._waiting)
        return arriving

    def _begin(self, inputs: Tensor) -> Minds:
        batch = len(inputs)
        self._prepared = self.model.prepare(inputs)
        state = self.model.start(batch)
        choice = Choice.start(batch, self.model.readout.shape, like=state.core.post_activations)
        state = _map(lambda rows: rows.expand(batch, *rows.shape[1:]), state)  # what ages share has one row
        index = torch.arange(self._seen, self._seen + batch, device=inputs.device)
        self._seen += batch
        return Minds(index, torch.zeros_like(index), self._prepared.observer.samples, state, choice)


def grouped(batches: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """Copies of the same samples in batches of `size`, but for the last."""
    held: list[Tensor] = []
    for inputs in batches:
        held.append(inputs)
        if sum(map(len, held)) >= size:
            together = torch.cat(held)
            whole = len(together) // size * size
            yield from together[:whole].split(size)
            held = [together[whole:]]
    if held and len(rest := torch.cat(held)):
        yield rest


def _rows(tree: Any, places: Tensor) -> Any:
    return _map(lambda rows: rows.index_select(0, places), tree)


def _write(places: Tensor, rows: Tensor, fresh: Tensor) -> Tensor:
    return rows.index_copy_(0, places, fresh.to(rows))  # no one else's: every tick makes new tensors


def _map(function: Callable[..., Tensor], first: Any, *others: Any) -> Any:
    """Applies a function to the tensors of nested tuples of one form."""
    if first is None or isinstance(first, Tensor):
        return None if first is None else function(first, *others)
    parts = [_map(function, *parts) for parts in zip(first, *others, strict=True)]
    return tuple(parts) if type(first) is tuple else type(first)(*parts)
