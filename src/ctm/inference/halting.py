"""Thinking only as long as needed: a sample leaves the batch once it is certain (section 5.1).

Those that leave make room for others, so the batch stays full, of samples of different ages.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ctm.inference.pool import Pool
from ctm.inference.samples import Choice, Noise, Sampling, several
from ctm.inputs import Inputs, shapes, split
from ctm.machine import ContinuousThoughtMachine
from ctm.thoughts import RULES, Rule


class Answers(NamedTuple):
    """Answers of N samples, each given after as many ticks as it took."""

    answers: Tensor  # (N, *answer, C) logits
    certainty: Tensor  # (N,) of these answers
    ticks: Tensor  # (N,) int64, how many were thought since all of the input was shown, in all thoughts about it
    index: Tensor  # (N,) int64, which of the inputs they answer, from 0


HaltingRule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From the highest certainty (B,) and the answers (B, *answer, C) so far, and the ticks (B,) thought since all of the
input was shown, to who may stop, (B,) bool. It is called after every tick, on the device that computes."""


def certain(until: float) -> HaltingRule:
    """Stops once a certainty is reached."""
    return lambda certainty, answers, ticks: certainty >= until


def think(
    model: ContinuousThoughtMachine,
    inputs: Inputs,
    until: float | HaltingRule = 0.8,
    max_ticks: int | None = None,
    answer: Rule = "most_certain",
    every: int = 1,
    batch: int = 256,
    *,
    samples: int = 1,
    noise: float | Noise | None = None,
    choose: Choice = "surest",
    seed: int = 0,
) -> Answers:
    """Answers every sample as soon as it is certain.

    >>> answers, certainty, ticks, _ = ctm.think(model, images, until=0.9)
    >>> answers, *_ = ctm.think(model, images, until=0.9, samples=8, noise=0.1)  # up to eight thoughts about each

    Args:
        model: the machine; it is in evaluation mode meanwhile.
        inputs: (N, …) what the machine takes.
        until: the certainty that is enough, above 0 and at most 1, or a halting rule of one's own.
        max_ticks: when a sample has to answer at the latest; by default the ticks of the configuration. As in the
            result, those at which the observer shows the input part by part do not count.
        answer: how to choose among the answers up to then, a rule of `Thoughts.answers`; the threshold of "sure" is
            `until`, which has to be a certainty then.
        every: look only after every so many ticks who is certain, which makes a GPU wait; must divide `max_ticks`.
            Ticks count from the start here, so that samples shown part by part may think a little longer.
        batch: how many samples are thought about at a time.
        samples: K, how many thoughts there are about each input: the first as it is, the others with noise.
        noise: of all thoughts but the first, on the post-activations of every tick, as a share of their root mean
            square; a `Noise` says at which ticks. Needed for more than one thought.
        choose: whose answer is given: "surest", of the most certain thought, where those that `until` finds certain
            enough are the last about their input; "vote", the whole answer that most thoughts agree on, and of
            several such that of the most certain thought; "mean", the mean of the probabilities; or a function from
            all answers (N, K, *answer, C) and their certainties (N, K) to which thought answers, (N,) int64.
        seed: of the noise.

    Returns:
        for every sample, in order, what a full forward pass cut at the same tick would have answered. Of several
        thoughts it is one of their answers, or for "mean" the logarithm of the mean of their probabilities.

    Raises:
        ValueError: for an argument out of its range.
    """
    sampling = Sampling(samples, noise, choose, seed)

    def once(inputs: Inputs) -> Answers:
        stream = think_stream(model, split(inputs, max(batch, 1)), until, max_ticks, answer, every, batch)
        none = torch.empty(0, dtype=torch.int64)
        nothing = Answers(torch.empty(0, *model.readout.shape), torch.empty(0), none, none)
        found = list(stream) or [nothing]
        together = Answers(*map(torch.cat, zip(*found, strict=True)))
        order = together.index.argsort()
        return Answers(*(part[order] for part in together))

    first = once(inputs)
    if samples == 1 or not len(first.index):
        return first
    longest = (model.config.ticks if max_ticks is None else max_ticks) + every
    halts: Any = until if callable(until) else certain(until)
    chosen = several(model, inputs, first, once, halts, longest, sampling)
    return Answers(*chosen, first.index)


def think_stream(
    model: ContinuousThoughtMachine,
    batches: Iterable[Inputs],
    until: float | HaltingRule = 0.8,
    max_ticks: int | None = None,
    answer: Rule = "most_certain",
    every: int = 1,
    batch: int = 256,
) -> Iterator[Answers]:
    """Answers the samples of a stream, which may be endless, each as soon as it is certain.

    >>> for answers, certainty, ticks, index in ctm.think_stream(model, batches):
    ...     print(index, answers.argmax(-1))

    Args:
        model: as for `think`, like all other arguments; it is in evaluation mode as long as the iterator lives.
        batches: samples (n, …), any number at a time. More are asked for when fewer than `batch` are being thought
            about; those of another shape than the last ones wait until these are done.

    Returns:
        an iterator over samples that finish together; easy ones overtake hard ones.

    Raises:
        ValueError: for an argument out of its range.
    """
    max_ticks = model.config.ticks if max_ticks is None else max_ticks
    if not callable(until) and not 0 < until <= 1:
        raise ValueError(f"until = {until}: expected a certainty above 0 and at most 1, or a halting rule")
    if answer not in RULES:
        raise ValueError(f"answer = {answer!r}: expected one of {', '.join(RULES)}")
    if callable(until) and answer == "sure":
        raise ValueError("answer = 'sure': expected a certainty as until, which says what is sure")
    for name, value in {"max_ticks": max_ticks, "every": every, "batch": batch}.items():
        if value < 1:
            raise ValueError(f"{name} = {value}: expected at least 1")
    if max_ticks % every:
        raise ValueError(f"every = {every}: expected a divisor of max_ticks = {max_ticks}")
    return _answers(model, batches, until, max_ticks, answer, every, batch)


def _answers(
    model: ContinuousThoughtMachine,
    batches: Iterable[Inputs],
    until: float | HaltingRule,
    max_ticks: int,
    answer: Rule,
    every: int,
    batch: int,
) -> Iterator[Answers]:
    was_training = model.training
    halts: Any = until if callable(until) else certain(until)
    threshold = 1.0 if callable(until) else until
    model.eval()
    try:
        seen = 0
        for _, alike in itertools.groupby(batches, key=shapes):
            pool = Pool(model, alike, batch, answer, threshold, seen)
            while pool.active is not None:
                for _ in range(every):
                    pool.tick()
                running, ticks = pool.active.answer, pool.ages
                done = halts(running.highest, running.answers, ticks) & (ticks > 0) | (ticks >= max_ticks)  # (B,)
                places = done.nonzero().squeeze(1)
                if len(places):
                    running, ticks, index = pool.at(places)
                    answers = running.answers
                    yield Answers(answers, model.readout.certainty(answers), ticks, index)
                    pool.replace(places)
            seen = pool.seen
    finally:
        model.train(was_training)
