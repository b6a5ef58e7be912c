"""Thinking only as long as needed: a sample leaves the batch once it is certain (sections 3.5 and 6).

Those that leave make room for others, so the batch stays full, of samples of different ages.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ctm.certainty import certainty
from ctm.choosing import Choice
from ctm.machine import ContinuousThoughtMachine, Prepared, State
from ctm.thoughts import RULES, Rule


class Conclusions(NamedTuple):
    """Answers of N samples, each given after as many ticks as it took."""

    answers: Tensor  # (N, *answer, C) logits
    certainty: Tensor  # (N,) of these answers
    ticks: Tensor  # (N,) int64, how many were thought
    index: Tensor  # (N,) int64, which of the inputs they answer, from 0


def think(
    model: ContinuousThoughtMachine,
    inputs: Tensor,
    until: float = 0.8,
    max_ticks: int | None = None,
    answer: Rule = "most_certain",
    every: int = 1,
    batch: int = 256,
) -> Conclusions:
    """Answers every sample as soon as it is certain.

    >>> answers, certainty, ticks, _ = ctm.think(model, images, until=0.9)

    Args:
        model: the machine; it is in evaluation mode meanwhile.
        inputs: (N, …) what the machine takes.
        until: the certainty that is enough, above 0 and at most 1.
        max_ticks: when a sample has to answer at the latest; by default the ticks of the configuration.
        answer: how to choose among the answers up to then, a rule of `Thoughts.answers`; the threshold of "sure" is
            `until`.
        every: look only after every so many ticks who is certain, which makes a GPU wait; must divide `max_ticks`.
        batch: how many samples are thought about at a time.

    Returns:
        for every sample, in order, what a full forward pass cut at the same tick would have answered.

    Raises:
        ValueError: for an argument out of its range.
    """
    stream = think_stream(model, inputs.split(max(batch, 1)), until, max_ticks, answer, every, batch)
    none = torch.empty(0, dtype=torch.int64)
    nothing = Conclusions(torch.empty(0, *model.readout.shape), torch.empty(0), none, none)
    found = list(stream) or [nothing]
    together = Conclusions(*map(torch.cat, zip(*found, strict=True)))
    return _rows(together, together.index.argsort())


def think_stream(
    model: ContinuousThoughtMachine,
    batches: Iterable[Tensor],
    until: float = 0.8,
    max_ticks: int | None = None,
    answer: Rule = "most_certain",
    every: int = 1,
    batch: int = 256,
) -> Iterator[Conclusions]:
    """Answers the samples of a stream, which may be endless, each as soon as it is certain.

    >>> for answers, certainty, ticks, index in ctm.think_stream(model, batches):
    ...     print(index, answers.argmax(-1))

    Args:
        model: as for `think`, like all other arguments; it is in evaluation mode as long as the iterator lives.
        batches: samples (n, …), any number at a time and otherwise of one shape. More are asked for when fewer than
            `batch` are being thought about.

    Returns:
        an iterator over samples that finish together; easy ones overtake hard ones.

    Raises:
        ValueError: for an argument out of its range.
    """
    max_ticks = model.config.ticks if max_ticks is None else max_ticks
    if not 0 < until <= 1:
        raise ValueError(f"until = {until}: expected a certainty above 0 and at most 1")
    if answer not in RULES:
        raise ValueError(f"answer = {answer!r}: expected one of {', '.join(RULES)}")
    for name, value in {"max_ticks": max_ticks, "every": every, "batch": batch}.items():
        if value < 1:
            raise ValueError(f"{name} = {value}: expected at least 1")
    if max_ticks % every:
        raise ValueError(f"every = {every}: expected a divisor of max_ticks = {max_ticks}")
    return _conclusions(model, _grouped(batches, batch), _Terms(until, max_ticks, answer, every), batch)


def threshold_for_budget(certainty: Float[Tensor, "N T"], mean_ticks: float) -> float:
    """The highest certainty one can wait for with so many ticks per sample, exact for the given thoughts.

    Args:
        certainty: of full forward passes on samples like those to come.
        mean_ticks: the budget, at least 1.

    Returns:
        what to give `think` as `until`.

    Raises:
        ValueError: for a budget of less than one tick.
    """
    if not mean_ticks >= 1:
        raise ValueError(f"mean_ticks = {mean_ticks}: expected at least 1")
    highest = certainty.cummax(dim=1).values[:, :-1]  # (N, T - 1): another tick follows those below the threshold
    following = int((mean_ticks - 1) * len(highest) + 1e-6)
    candidates = highest.flatten().sort().values[following:]
    return float(candidates[0].clamp_min(torch.finfo(highest.dtype).tiny)) if len(candidates) else 1.0


class _Terms(NamedTuple):
    """When to stop, and what to answer then."""

    until: float
    max_ticks: int
    answer: Rule
    every: int


class _Minds(NamedTuple):
    """Samples being thought about, of different ages; every tensor has a row for each, (B, …)."""

    index: Tensor  # (B,) int64
    ticks: Tensor  # (B,) int64
    samples: tuple[Tensor, ...]  # what the observer prepared for them
    state: State
    choice: Choice


class _Arrivals:
    """Samples that nothing was thought about yet, prepared in groups."""

    def __init__(self, model: ContinuousThoughtMachine, groups: Iterator[Tensor]) -> None:
        self.model = model
        self.groups = groups
        self.prepared: Any = None
        self.waiting: Any = None
        self.seen = 0

    @torch.no_grad()
    def take(self, count: int) -> _Minds | None:
        """The next samples, at most so many; nothing when there are no more."""
        if self.waiting is None or not len(self.waiting.index):
            inputs = next(self.groups, None)
            if inputs is None:
                return None
            self.waiting = self._begin(inputs)
        taken = _map(lambda rows: rows[:count], self.waiting)
        self.waiting = _map(lambda rows: rows[count:], self.waiting)
        return taken

    def _begin(self, inputs: Tensor) -> _Minds:
        batch = len(inputs)
        self.prepared = self.model.prepare(inputs)
        state = self.model.start(batch)
        choice = Choice.start(batch, self.model.readout.shape, like=state.core.post_activations)
        state = _map(lambda leaf: leaf.expand(batch, *leaf.shape[1:]), state)  # also what was the same for all
        index = torch.arange(self.seen, self.seen + batch, device=inputs.device)
        self.seen += batch
        return _Minds(index, torch.zeros_like(index), self.prepared.observer.samples, state, choice)


def _conclusions(
    model: ContinuousThoughtMachine, groups: Iterator[Tensor], terms: _Terms, batch: int
) -> Iterator[Conclusions]:
    was_training = model.training
    model.eval()
    try:
        arrivals = _Arrivals(model, groups)
        minds = arrivals.take(batch)
        while minds is not None:
            minds, places, found = _round(model, minds, arrivals.prepared, terms)
            if len(places):
                yield found
                minds = _refill(minds, places, arrivals)
    finally:
        model.train(was_training)


@torch.no_grad()
def _round(
    model: ContinuousThoughtMachine, minds: _Minds, prepared: Prepared, terms: _Terms
) -> tuple[_Minds, Tensor, Conclusions]:
    """Some ticks of all samples; then the places of those that are done, and their answers."""
    for _ in range(terms.every):
        minds = _tick(model, prepared, minds, terms)
    done = (minds.choice.highest >= terms.until) | (minds.ticks == terms.max_ticks)  # (B,)
    places = done.nonzero().squeeze(1)
    choice, ticks, index = _rows((minds.choice, minds.ticks, minds.index), places)
    return minds, places, Conclusions(choice.answers, _certainty(model, choice.answers), ticks, index)


def _tick(model: ContinuousThoughtMachine, prepared: Prepared, minds: _Minds, terms: _Terms) -> _Minds:
    prepared = prepared._replace(observer=prepared.observer.of(minds.samples))
    state, _ = model.step(minds.state, prepared)
    logits = model.readout(model.output.read(state.output))  # (B, *answer, C)
    choice = minds.choice.add(logits, _certainty(model, logits), terms.answer, terms.until)
    return minds._replace(ticks=minds.ticks + 1, state=state, choice=choice)


def _certainty(model: ContinuousThoughtMachine, logits: Tensor) -> Tensor:
    return certainty(logits, positions=len(model.config.readout.answer))


@torch.no_grad()
def _refill(minds: _Minds, places: Tensor, arrivals: _Arrivals) -> _Minds | None:
    """Puts new samples where others have left, and closes the gaps that remain."""
    while len(places) and (new := arrivals.take(len(places))) is not None:
        filled, places = places.split([len(new.index), len(places) - len(new.index)])
        _map(functools.partial(_write, filled), minds, new)
    if not len(places):
        return minds
    stay = torch.ones_like(minds.index, dtype=torch.bool).index_fill(0, places, False).nonzero().squeeze(1)
    return _rows(minds, stay) if len(stay) else None


def _rows(tree: Any, places: Tensor) -> Any:
    return _map(lambda rows: rows.index_select(0, places), tree)


def _write(places: Tensor, rows: Tensor, fresh: Tensor) -> Tensor:
    return rows.index_copy_(0, places, fresh.to(rows))  # rows are this module's own, every tick makes new ones


def _map(function: Callable[..., Tensor], first: Any, *others: Any) -> Any:
    """Applies a function to the tensors of nested tuples of the same form."""
    if first is None or isinstance(first, Tensor):
        return None if first is None else function(first, *others)
    parts = [_map(function, *parts) for parts in zip(first, *others, strict=True)]
    return tuple(parts) if type(first) is tuple else type(first)(*parts)


def _grouped(batches: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """The same samples in batches of `size`, but for the last."""
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
