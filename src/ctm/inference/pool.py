"""Samples that are thought about together, whatever their ages: some leave, others take their places."""

import functools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ctm.inference.answers import RunningAnswer
from ctm.inputs import Inputs, concatenate, count, slice_batch, split, tree_map
from ctm.machine import ContinuousThoughtMachine, State
from ctm.thoughts import Rule


class ActiveSamples(NamedTuple):
    """What is kept of samples of different ages; every tensor has a row for each, (B, …)."""

    index: Tensor  # (B,) int64, which of all samples they are
    samples: tuple[Tensor, ...]  # what the observer prepared for them
    state: State
    answer: RunningAnswer


class Pool:
    """A batch that stays full as long as there are samples.

    Args:
        model: in evaluation mode; what depends on its weights alone is prepared once.
        batches: samples (n, …), any number at a time and otherwise of one shape.
        size: B, how many are thought about at a time.
        rule: how an answer is chosen among those of all ticks at which it is due.
        threshold: for the rule "sure".
        first: the index of the first sample.

    Attributes:
        active: those in the pool; nothing when all samples have left.
        seen: the index of the next sample.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: ContinuousThoughtMachine,
        batches: Iterable[Inputs],
        size: int,
        rule: Rule,
        threshold: float,
        first: int = 0,
    ) -> None:
        self.model = model
        self.rule: Rule = rule
        self.threshold = threshold
        self._groups = grouped(batches, size)
        self._weights = model.prepare_weights(model.config.ticks)
        self._waiting: Any = None
        self._prepared: Any = None
        self._shown = 0
        self.seen = first
        self.active: Any = self._arrivals(size)

    @property
    def ages(self) -> Tensor:
        """For how many ticks each has thought since all of its input was shown, (B,); below 1 while it is shown."""
        return self.active.state.ticks - self._shown

    @torch.no_grad()
    def tick(self) -> None:
        """One internal tick of all.

        Raises:
            ValueError: inside an intervention with values for each sample, which have no fixed places here.
        """
        model, active = self.model, self.active
        if any(intervention.per_sample and intervention.is_here for intervention in tuple(model.interventions)):
            raise ValueError(
                "value (B, n) of an intervention: expected a number or (n,), since samples come and go here"
            )
        prepared = self._prepared._replace(observer=self._prepared.observer.of(active.samples))
        state, _ = model.step(active.state, prepared)
        logits = model.readout(model.output.read(state.output))  # (B, *answer, C)
        answer = active.answer.only(self.ages > 0) if self._shown else active.answer
        answer = answer.add(logits, model.readout.certainty(logits), self.rule, self.threshold)
        self.active = active._replace(state=state, answer=answer)

    @torch.no_grad()
    def at(self, places: Tensor) -> tuple[RunningAnswer, Tensor, Tensor]:
        """Answer so far, age and index of those at some places."""
        return _rows((self.active.answer, self.ages, self.active.index), places)

    @torch.no_grad()
    def replace(self, places: Tensor) -> None:
        """Puts new samples where others leave, and closes the gaps when there are too few."""
        while len(places) and (new := self._arrivals(len(places))) is not None:
            filled, places = places.split([len(new.index), len(places) - len(new.index)])
            tree_map(functools.partial(_write, filled), self.active, new)
        if len(places):
            staying = torch.ones_like(self.active.index).index_fill(0, places, 0).nonzero().squeeze(1)
            self.active = _rows(self.active, staying) if len(staying) else None

    def _arrivals(self, most: int) -> ActiveSamples | None:
        """The next samples, at most so many; nothing when there are no more."""
        if self._waiting is None or not len(self._waiting.index):
            inputs = next(self._groups, None)
            if inputs is None:
                return None
            self._waiting = self._begin(inputs)
        arriving, self._waiting = slice_batch(self._waiting, 0, most), slice_batch(self._waiting, most)
        return arriving

    def _begin(self, inputs: Inputs) -> ActiveSamples:
        self._prepared = self.model.prepare(inputs, weights=self._weights)
        self._shown = self.model.observer.shown(inputs)
        batch = count(inputs)
        state = self.model.start(batch)
        answer = RunningAnswer.start(batch, self.model.readout.shape, like=state.core.post_activations)
        state = tree_map(lambda tensor: tensor.expand(batch, *tensor.shape[1:]), state)  # what ages share has one row
        index = torch.arange(self.seen, self.seen + batch, device=state.ticks.device)
        self.seen += batch
        return ActiveSamples(index, self._prepared.observer.samples, state, answer)


def grouped(batches: Iterable[Inputs], size: int) -> Iterator[Inputs]:
    """Copies of the same samples in batches of `size`, but for the last."""
    held: list[Inputs] = []
    for inputs in batches:
        held.append(inputs)
        if sum(map(count, held)) >= size:
            together = concatenate(held)
            whole = count(together) // size * size
            yield from split(slice_batch(together, 0, whole), size)
            held = [slice_batch(together, whole)]
    if held and count(rest := concatenate(held)):
        yield rest


def _rows(tree: Any, places: Tensor) -> Any:
    return tree_map(lambda tensor: tensor.index_select(0, places), tree)


def _write(places: Tensor, tensor: Tensor, fresh: Tensor) -> Tensor:
    return tensor.index_copy_(0, places, fresh.to(tensor))  # no one else's: the history is the latest of its buffer
