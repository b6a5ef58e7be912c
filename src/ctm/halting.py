"""Thinking only as long as needed: a sample leaves the batch once it is certain (sections 3.5 and 6).

Those that leave make room for others, so the batch stays full, of samples of different ages.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from ctm.certainty import certainty
from ctm.choosing import Choice
from ctm.machine import ContinuousThoughtMachine, Prepared, State
from ctm.thoughts import RULES, Rule


class Conclusions(NamedTuple):
    """Answers of N samples, each given after as many ticks as it took."""

    answers: Tensor  # (N, *answer, C) logits
    certainty: Tensor  # (N,) of these answers
    ticks: Tensor  # (N,) int64, how many were thought; on the CPU
    index: Tensor  # (N,) int64, which of the inputs it was, from 0; on the CPU


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
        every: a sample may leave only after a multiple of so many ticks, or at the latest tick; on a GPU, which waits
            whenever it is asked who is certain, a few are faster.
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
    return _conclusions(_Thinking(model, until, answer), iter(batches), max_ticks, every, batch)


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


class _Minds(NamedTuple):
    """Samples being thought about, of different ages; every tensor has a row for each, (B, …)."""

    index: Tensor  # (B,) on the CPU
    ticks: Tensor  # (B,) on the CPU
    samples: tuple[Tensor, ...]  # what the observer prepared for them
    state: State
    choice: Choice


class _Thinking:
    """What happens to samples, whatever their ages."""

    def __init__(self, model: ContinuousThoughtMachine, until: float, answer: Rule) -> None:
        self.model = model
        self.until = until
        self.answer: Rule = answer
        self.prepared: Prepared
        self.count = 0

    def begin(self, inputs: Tensor) -> _Minds:
        """Takes in samples that nothing was thought about yet."""
        batch = len(inputs)
        self.prepared = self.model.prepare(inputs)
        state = pytree.tree_map_only(Tensor, lambda x: x.expand(batch, *x.shape[1:]), self.model.start(batch))
        index = torch.arange(self.count, self.count + batch)
        choice = Choice.start(batch, self.model.readout.shape, state.core.post_activations)
        self.count += batch
        return _Minds(index, torch.zeros_like(index), self.prepared.observer.samples, state, choice)

    def tick(self, minds: _Minds) -> _Minds:
        """One internal tick of all."""
        model, prepared = self.model, self.prepared._replace(observer=self.prepared.observer.of(minds.samples))
        state, _ = model.step(minds.state, prepared)
        logits = model.readout(model.output.read(state.output))  # (B, *answer, C)
        choice = minds.choice.add(logits, self.certainty(logits), self.answer, self.until)
        return minds._replace(ticks=minds.ticks + 1, state=state, choice=choice)

    def conclude(self, minds: _Minds) -> Conclusions:
        """The answers of samples that have stopped."""
        answers = minds.choice.answers
        return Conclusions(answers, self.certainty(answers), minds.ticks, minds.index)

    def certainty(self, logits: Tensor) -> Tensor:
        """How certain answers are, (B,)."""
        return certainty(logits, positions=len(self.model.config.readout.answer))


@torch.no_grad()
def _conclusions(
    thinking: _Thinking, batches: Iterator[Tensor], max_ticks: int, every: int, batch: int
) -> Iterator[Conclusions]:
    model = thinking.model
    was_training = model.training
    model.eval()
    try:
        minds = waiting = None
        while True:
            minds, waiting = _filled(minds, waiting, thinking, batches, batch)
            if minds is None:
                return
            minds = thinking.tick(minds)
            last = minds.ticks == max_ticks  # (B,)
            asked = last | (minds.ticks % every == 0)
            if not asked.any():
                continue
            done = last | (asked & (minds.choice.highest >= thinking.until).cpu())
            if done.any():
                yield thinking.conclude(_rows(minds, done.nonzero().squeeze(1)))
                minds = _rows(minds, (~done).nonzero().squeeze(1))
    finally:
        model.train(was_training)


def _filled(minds, waiting, thinking, batches, batch):
    while (room := batch - (0 if minds is None else len(minds.index))) > 0:
        if waiting is None or not len(waiting.index):
            inputs = next(batches, None)
            if inputs is None:
                break
            waiting = thinking.begin(inputs)
        arriving, waiting = _rows(waiting, slice(room)), _rows(waiting, slice(room, None))
        minds = arriving if minds is None else _joined(minds, arriving)
    return (None, None) if minds is None or not len(minds.index) else (minds, waiting)


def _rows(tree: Any, rows: Tensor | slice) -> Any:
    return pytree.tree_map_only(Tensor, lambda tensor: tensor[rows], tree)


def _joined(first: Any, second: Any) -> Any:
    (firsts, structure), (seconds, _) = pytree.tree_flatten(first), pytree.tree_flatten(second)
    pairs = zip(firsts, seconds, strict=True)
    return pytree.tree_unflatten([None if one is None else torch.cat([one, two]) for one, two in pairs], structure)
