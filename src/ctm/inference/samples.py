"""More answers for more thinking: several thoughts about the same input, all but the first with noise, and a choice."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ctm.inputs import Inputs, tree_map
from ctm.interventions import Intervention, Ticks, as_range
from ctm.kernels.precision import at_least_float32
from ctm.machine import ContinuousThoughtMachine
from ctm.randomness import generator

Choice = Literal["surest", "vote", "mean"] | Callable[[Tensor, Tensor], Tensor]
"""Whose answer is given: by a rule, or by a function from the answers (N, K, *answer, C) of K thoughts about each input
and their certainties (N, K) to the number of a thought, (N,) int64."""

CHOICES = ("surest", "vote", "mean")


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on the post-activations, so that further thoughts about an input take other ways.

    It is drawn for each thought, tick and neuron, and the same for all inputs: what is answered depends on the input
    alone, and not on others beside it, their order or their number.

    Raises:
        TypeError, ValueError: for a scale that is not above 0, or ticks that never come.
    """

    scale: float
    """Its standard deviation, as a share of the root mean square of a sample's post-activations at that tick."""
    tick: Ticks = None
    """At which ticks, as for `ContinuousThoughtMachine.intervene`: 0 for the first alone, so that a thought begins
    elsewhere and goes on undisturbed; by default at all of them."""

    def __post_init__(self) -> None:
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise ValueError(f"noise = {self.scale}: expected a number above 0, a share of the post-activations")
        as_range(self.tick)


class AddedNoise(Intervention):
    """The noise of one thought, where it acts.

    Args:
        noise: how much, and when.
        neurons: D.
        ticks: how many there are at most.
        seed: of the noise.
        thought: which of the thoughts about an input.
        device: where the machine is.
    """

    def __init__(self, noise: Noise, neurons: int, ticks: int, seed: int, thought: int, device: torch.device) -> None:
        super().__init__(neurons, noise.tick, range(neurons), 0.0)
        drawn = [torch.randn(neurons, generator=generator(seed, "noise", thought, tick)) for tick in range(ticks)]
        self.drawn = (noise.scale * torch.stack(drawn)).to(device)  # (T, D)

    def apply(self, z: Float[Tensor, "B D"], ticks: Int[Tensor, " B"]) -> Float[Tensor, "B D"]:
        """The post-activations with the noise of the tick."""
        if not self.is_here:
            return z
        size = at_least_float32(z).square().mean(1, keepdim=True).sqrt()  # (B, 1)
        noisy = (z + size * self.drawn[ticks]).to(z)  # (B, D)
        return torch.where(self._acts(ticks).unsqueeze(1), noisy, z)


@dataclass(frozen=True)
class Sampling:
    """How several thoughts are had about each input, with the arguments of `think`.

    Raises:
        ValueError: for an argument out of its range.
    """

    samples: int = 1
    noise: float | Noise | None = None
    choose: Choice = "surest"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples = {self.samples}: expected at least 1")
        if not callable(self.choose) and self.choose not in CHOICES:
            raise ValueError(f"choose = {self.choose!r}: expected one of {', '.join(CHOICES)}, or a function")
        if self.noise is None and self.samples > 1:
            raise ValueError(f"samples = {self.samples}: expected noise, without which all thoughts are the same")
        if self.noise is not None and not isinstance(self.noise, Noise):
            object.__setattr__(self, "noise", Noise(self.noise))


def several(
    model: ContinuousThoughtMachine,
    inputs: Inputs,
    first: Any,
    once: Callable[[Inputs], Any],
    halts: Callable[[Tensor, Tensor, Tensor], Tensor],
    ticks: int,
    sampling: Sampling,
) -> tuple[Tensor, Tensor, Tensor]:
    """The answers chosen among several thoughts about each input.

    Args:
        model: the machine.
        inputs: (N, …), at least one.
        first: `Answers` of the thought without noise.
        once: thinks about inputs.
        halts: the halting rule; where it finds an answer certain enough, "surest" asks for no further thought.
        ticks: how many there are at most since all of the input was shown.
        sampling: how many thoughts, with which noise, and how to choose.

    Returns:
        answers (N, *answer, C), their certainty (N,), and the ticks (N,) of all thoughts together.
    """
    thoughts, neurons = sampling.samples, model.config.core.neurons
    answers = torch.stack([first.answers] * thoughts, dim=1)  # (N, K, *answer, C)
    certainty = torch.stack([first.certainty] * thoughts, dim=1)  # (N, K)
    total, found, rows = first.ticks, first, first.index
    for thought in range(1, thoughts):
        if sampling.choose == "surest":
            rows = rows[~halts(found.certainty, found.answers, found.ticks)]
            if not len(rows):
                break
        again = tree_map(lambda tensor, rows=rows: tensor[rows.to(tensor.device)], inputs)
        shown = model.observer.shown(again)
        added = AddedNoise(sampling.noise, neurons, shown + ticks, sampling.seed, thought, rows.device)  # ty: ignore
        with _beneath_others(model, added):
            found = once(again)
        answers[rows, thought], certainty[rows, thought] = found.answers, found.certainty
        total = total.index_add(0, rows, found.ticks)
    answer = chosen(answers, certainty, sampling.choose)
    return answer, model.readout.certainty(answer), total


def chosen(
    answers: Float[Tensor, "N K *shape"], certainty: Float[Tensor, "N K"], choose: Choice
) -> Float[Tensor, "N *shape"]:
    """One answer for each input, of K thoughts about it.

    Args:
        answers: (N, K, *answer, C), the first of thoughts without noise.
        certainty: of these answers.
        choose: as for `think`.

    Raises:
        ValueError: if a function chose something else than a thought for each input.
    """
    if choose == "mean":  # of probabilities
        return torch.log_softmax(at_least_float32(answers), -1).logsumexp(1) - math.log(answers.shape[1])
    if choose == "surest":
        choice: Any = certainty.argmax(1)  # (N,)
    else:
        choice = _vote(answers, certainty) if choose == "vote" else choose(answers, certainty)
    count, thoughts = certainty.shape
    if not isinstance(choice, Tensor) or choice.dtype != torch.int64 or choice.shape != (count,):
        kind = f"{choice.dtype} {tuple(choice.shape)}" if isinstance(choice, Tensor) else type(choice).__qualname__
        raise ValueError(f"choose returned {kind}: expected torch.int64 ({count},), the number of a thought for each")
    if ((choice < 0) | (choice >= thoughts)).any():
        raise ValueError(f"choose returned {choice.tolist()}: expected numbers of thoughts, 0 to {thoughts - 1}")
    return answers[torch.arange(count, device=choice.device), choice]


@contextmanager
def _beneath_others(model: ContinuousThoughtMachine, added: Intervention) -> Generator[None]:
    """Inside, the noise comes before all other interventions, so that what they set stays as it was set."""
    model.interventions.insert(0, added)
    try:
        yield
    finally:
        model.interventions.remove(added)


def _vote(answers: Tensor, certainty: Float[Tensor, "N K"]) -> Int[Tensor, " N"]:
    """Which thought is the most certain of those whose whole answer is the most frequent."""
    classes = answers.argmax(-1).view(*certainty.shape, -1)  # (N, K, positions)
    agree = [(classes == one.unsqueeze(1)).all(-1) for one in classes.unbind(1)]
    votes = torch.stack(agree).sum(0)  # (N, K)
    return certainty.where(votes == votes.amax(1, keepdim=True), -torch.inf).argmax(1)
