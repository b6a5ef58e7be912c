"""An exported machine: prepares its inputs once, then thinks tick by tick, as long as is asked for."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ctm.runtime.session import Session
from ctm.runtime.thoughts import RULES, Rule, State, Thoughts

NEXT = "next."
"""What the names of the state after a tick begin with."""

KEPT = "kept"
"""The input of a tick that says which neurons are kept, 1, and which are silenced, 0."""


class Answers(NamedTuple):
    """Answers of N samples, each given after as many ticks as it took."""

    answers: np.ndarray  # (N, *answer, C) logits
    certainty: np.ndarray  # (N,) of these answers
    ticks: np.ndarray  # (N,) int64, how many were thought since all of the input was shown


HaltingRule = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From the highest certainty (B,) and the answers (B, *answer, C) so far, and the ticks (B,) thought since all of the
input was shown, to who may stop, (B,) bool."""


class Machine:
    """A machine exported into a folder; what `ctm.runtime.load` makes of it.

    Args:
        folder: with `prepare.onnx`, `tick.onnx` and `certainty.onnx`.
        description: what `machine.json` says.
        threads: how many to compute with; by default as many as there are cores.

    Attributes:
        description: the same; docs/export.md says what is in it.
        ticks: how many are thought by default, after those at which the input is shown part by part.
    """

    def __init__(self, folder: Path, description: Mapping[str, Any], threads: int | None = None) -> None:
        self.description = description
        self.ticks: int = description["ticks"]
        self._shown: int = description["shown"]
        self._prepare, self._tick, self._certainty = (
            Session(folder / f"{part}.onnx", threads) for part in ("prepare", "tick", "certainty")
        )

    def __call__(
        self,
        *inputs: Any,
        ticks: int | None = None,
        state: State | None = None,
        attention: bool = False,
        silenced: Sequence[int] = (),
    ) -> Thoughts:
        """Thinks about a batch.

        Args:
            inputs: (B, …) what the machine takes, any number of samples.
            ticks: how many ticks to think; by default as many as configured, after those at which the input is shown
                part by part.
            state: where to go on from, as an earlier call returned it; by default the learned start.
            attention: return where the machine looked, too, if it does.
            silenced: neurons whose post-activations are 0 at every tick, by their numbers from 0: a lesion.

        Raises:
            ValueError: for fewer than one tick, inputs or a state that do not fit, or neurons that do not exist.
        """
        prepared, values = self._begin(inputs, silenced)
        shown = self._shown
        if state is not None:
            values = self._tick.values({name: state[name] for name in values})
            if (samples := len(state["ticks"])) != len(inputs[0]):
                raise ValueError(f"state of {samples} samples: expected {len(inputs[0])}, as many as x has")
            shown = max(shown - int(state["ticks"].min()), 0)
        ticks = shown + self.ticks if ticks is None else ticks
        if ticks < 1:
            raise ValueError(f"ticks = {ticks}: expected at least 1")
        asked = ["logits", "certainty", *(["attention"] if attention and self.description["attention"] else [])]
        found = []
        for _ in range(ticks):
            values, seen = self._step(prepared, values, asked)
            found.append(seen)
        logits, certainty, *looked = (np.stack([seen[name] for seen in found], axis=1) for name in asked)
        return Thoughts(logits, certainty, _arrays(values), looked[0] if looked else None, shown)

    def start(self, batch: int) -> State:
        """The learned state before the first tick, for `batch` samples: where an agent's new episode begins."""
        anything = [np.zeros([1, *shape[1:]], kind) for shape, kind in self._prepare.inputs.values()]
        _, start = self._begin(anything)
        return {name: array.repeat(batch, axis=0) for name, array in _arrays(start).items()}

    def think(
        self,
        *inputs: Any,
        until: float | HaltingRule = 0.8,
        max_ticks: int | None = None,
        answer: Rule = "most_certain",
        batch: int = 256,
        silenced: Sequence[int] = (),
    ) -> Answers:
        """Answers every sample as soon as it is certain; those that are done leave the batch.

        Args:
            inputs: (N, …) what the machine takes.
            until: the certainty that is enough, above 0 and at most 1, or a halting rule of one's own.
            max_ticks: when a sample has to answer at the latest; by default the ticks of the configuration. Those at
                which the input is shown part by part do not count.
            answer: how to choose among the answers up to then, a rule of `Thoughts.at`; the threshold of "sure" is
                `until`, which has to be a certainty then.
            batch: how many samples are thought about at a time.
            silenced: neurons whose post-activations are 0 at every tick.

        Returns:
            for every sample, in order, what a full pass cut at the same tick would have answered.

        Raises:
            ValueError: for an argument out of its range, or inputs that do not fit.
        """
        max_ticks = self.ticks if max_ticks is None else max_ticks
        if not callable(until) and not 0 < until <= 1:
            raise ValueError(f"until = {until}: expected a certainty above 0 and at most 1, or a halting rule")
        if answer not in RULES:
            raise ValueError(f"answer = {answer!r}: expected one of {', '.join(RULES)}")
        if callable(until) and answer == "sure":
            raise ValueError("answer = 'sure': expected a certainty as until, which says what is sure")
        for name, value in {"max_ticks": max_ticks, "batch": batch}.items():
            if value < 1:
                raise ValueError(f"{name} = {value}: expected at least 1")
        found = [
            self._answers([each[first : first + batch] for each in inputs], silenced, until, max_ticks, answer)
            for first in range(0, max(map(len, inputs), default=1), batch)
        ]
        return Answers(*map(np.concatenate, zip(*found, strict=True)))

    def _answers(
        self,
        inputs: Sequence[Any],
        silenced: Sequence[int],
        until: float | HaltingRule,
        max_ticks: int,
        answer: Rule,
    ) -> Answers:
        """The answers of one batch."""
        prepared, state = self._begin(inputs, silenced)
        batch, threshold = len(inputs[0]), 1.0 if callable(until) else until
        logits = np.empty((batch, max_ticks, *self.description["answer"]), np.float32)
        certainty = np.empty((batch, max_ticks), np.float32)
        answers, ticks = np.empty_like(logits[:, 0]), np.empty(batch, np.int64)

        def answered(places: np.ndarray, tick: int) -> np.ndarray:
            return Thoughts(logits[places, :tick], certainty[places, :tick]).at(answer, threshold)

        thinking = np.arange(batch)  # the places of those that still do
        for tick in range(1 - self._shown, max_ticks + 1):
            state, seen = self._step(prepared, state, ["logits", "certainty"])
            if tick < 1:
                continue
            logits[thinking, tick - 1], certainty[thinking, tick - 1] = seen["logits"], seen["certainty"]
            highest = certainty[thinking, :tick].max(1)
            if callable(until):
                done = until(highest, answered(thinking, tick), np.full(len(thinking), tick))
            else:
                done = highest >= until
            done = np.asarray(done) | (tick == max_ticks)
            if done.any():
                answers[thinking[done]], ticks[thinking[done]] = answered(thinking[done], tick), tick
                thinking = thinking[~done]
                if not len(thinking):
                    break
                state, prepared = self._rows(state, ~done), self._rows(prepared, ~done)
        sure = self._certainty(self._certainty.values({"logits": answers}), ["certainty"])
        return Answers(answers, _arrays(sure)["certainty"], ticks)

    def _begin(self, inputs: Sequence[Any], silenced: Sequence[int] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
        """What no tick changes, and the learned start."""
        names, neurons = (self.description["prepared"], self.description["state"]), self.description["neurons"]
        if unknown := [number for number in silenced if not 0 <= number < neurons]:
            raise ValueError(f"silenced: {unknown[0]} does not exist; expected 0 to {neurons - 1}")
        found = self._prepare(self._prepare.in_order(inputs), [*names[0], *names[1]])
        kept = np.ones((len(inputs[0]), neurons), np.float32)
        kept[:, list(silenced)] = 0
        unchanging = {name: found[name] for name in names[0]} | self._tick.values({KEPT: kept})
        return unchanging, {name: found[name] for name in names[1]}

    def _step(
        self, prepared: dict[str, Any], state: dict[str, Any], asked: list[str]
    ) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """One tick: the state after it, and what is asked for."""
        found = self._tick(prepared | state, [*asked, *(NEXT + name for name in state)])
        return {name: found[NEXT + name] for name in state}, _arrays({name: found[name] for name in asked})

    def _rows(self, values: dict[str, Any], rows: np.ndarray) -> dict[str, Any]:
        return self._tick.values({name: array[rows] for name, array in _arrays(values).items()})


def _arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in values.items()}
