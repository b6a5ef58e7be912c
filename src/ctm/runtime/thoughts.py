"""What a machine returns, as arrays: an answer for every tick, how sure each is, and the ways to choose among them."""

from typing import Literal, NamedTuple

import numpy as np

Rule = Literal["last", "most_certain", "mean", "certainty_weighted", "sure"]
RULES: tuple[Rule, ...] = ("last", "most_certain", "mean", "certainty_weighted", "sure")
State = dict[str, np.ndarray]
"""What a machine carries from tick to tick, by name, each (B, …)."""


class Thoughts(NamedTuple):
    """The result of a pass."""

    logits: np.ndarray  # (B, T, *answer, C)
    certainty: np.ndarray  # (B, T)
    state: State | None = None  # to go on thinking from here: model(x, state=thoughts.state)
    attention: np.ndarray | None = None  # (B, T, heads, L), if it was asked for and there is any
    shown: int = 0  # how many ticks came before every sample had been shown all of its input

    @property
    def ticks(self) -> int:
        """T, how many ticks were thought."""
        return self.logits.shape[1]

    def at(self, rule: Rule | int = "most_certain", threshold: float = 0.8) -> np.ndarray:
        """One answer per sample, (B, *answer, C), chosen over all ticks at which it is due.

        Args:
            rule: a tick (negative ones count from the end); "last"; "most_certain", the first of the most certain
                ticks; "mean" of all logits; "certainty_weighted", their mean weighted by certainty; or "sure", the
                mean since the first tick whose certainty reached `threshold`, and the last one if none did.
            threshold: the certainty that counts as sure; only for the rule "sure".

        Raises:
            IndexError: for a tick that was not thought.
            ValueError: for an unknown rule.
        """
        if isinstance(rule, int):
            if not -self.ticks <= rule < self.ticks:
                raise IndexError(f"tick {rule}: there are {self.ticks} ticks, 0 to {self.ticks - 1}")
            return self.logits[:, rule]
        due = slice(min(self.shown, self.ticks - 1), None)
        logits, certainty = self.logits[:, due], self.certainty[:, due]
        weight = _weights(certainty, rule, threshold)  # (B, T)
        wide = weight.reshape(*weight.shape, *[1] * (logits.ndim - 2))
        return (logits * wide).sum(1) / wide.sum(1)


def _weights(certainty: np.ndarray, rule: Rule, threshold: float) -> np.ndarray:
    """How much the answer of each tick counts, (B, T)."""
    last = np.zeros_like(certainty)
    last[:, -1] = 1
    if rule == "last":
        return last
    if rule == "most_certain":
        return np.where(np.arange(certainty.shape[1]) == certainty.argmax(1)[:, None], 1, last * 0)
    if rule == "mean":
        return np.ones_like(certainty)
    if rule == "certainty_weighted":
        return certainty.clip(np.finfo(certainty.dtype).eps)  # rounding can make a certainty of 0 negative
    if rule == "sure":
        since = np.maximum.accumulate(certainty >= threshold, axis=1)  # (B, T) from the first sure tick on
        return np.where(since.any(1, keepdims=True), since.astype(certainty.dtype), last)
    raise ValueError(f"rule = {rule!r}: expected a tick or one of {', '.join(RULES)}")
