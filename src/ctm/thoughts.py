"""What a machine returns: an answer for every tick, how sure each is, and the ways to choose among them."""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from ctm.kernels.precision import at_least_float32

Rule = Literal["last", "most_certain", "mean", "certainty_weighted", "sure"]
RULES: tuple[Rule, ...] = ("last", "most_certain", "mean", "certainty_weighted", "sure")


class Record(NamedTuple):
    """What happened inside, tick by tick: everything by `record=True`, or what `record={"attention"}` names.

    What was not asked for is nothing.
    """

    pre_activations: Tensor | None  # (B, T, D); nothing for cores that have none
    post_activations: Tensor | None  # (B, T, D), without the start state
    action: Tensor | None  # (B, T, P_action), as it formed the query; nothing where nothing is asked
    attention: Tensor | None  # (B, T, heads, L); nothing where there is none
    output: Tensor | None  # (B, T, P_output)
    grid: tuple[int, ...]  # shape of the feature map whose cells are the L tokens

    def require(self, name: str) -> Tensor:
        """What was recorded under a name.

        Raises:
            ValueError: if it was not, or there is no such thing in this model.
        """
        if (recorded := getattr(self, name)) is None:
            raise ValueError(f"record.{name}: nothing was recorded; call the model with record={{{name!r}}}")
        return recorded

    def synchronization_matrix(
        self, neurons: Sequence[int] | Tensor, decay: float | Tensor = 0.0, start: Tensor | None = None
    ) -> Float[Tensor, "B T n n"]:
        """How all pairs of some neurons synchronize up to every tick, S_ij of eq. 10; needs `post_activations`.

        Those that the machine reads itself are a choice of pairs, in `output` and `action`; they include the start
        state z^1, and so does this with `start=model.start(1).core.post_activations`, for a pass from the start.

        Args:
            neurons: their numbers, n of them.
            decay: r >= 0, a number or (n, n), by which a pair forgets at each tick.
            start: (D,), (1, D) or (B, D) post-activations before the first recorded tick; by default none count.

        Returns:
            (B, T, n, n), in float32 at least.

        Raises:
            ValueError: without recorded post-activations, for neurons that do not exist, or a decay below 0.
        """
        activity = self.require("post_activations")  # (B, T, D)
        batch, ticks, total = activity.shape
        neurons = torch.as_tensor(neurons, device=activity.device)  # (n,)
        if ((neurons < 0) | (neurons >= total)).any():
            raise ValueError(f"neurons = {neurons.tolist()}: expected 0 to {total - 1}")
        activity = at_least_float32(activity)
        decay = torch.as_tensor(decay, dtype=activity.dtype, device=activity.device)
        if (decay < 0).any():
            raise ValueError("decay: expected at least 0")
        kept = torch.exp(-decay)  # () or (n, n)
        numerator, normaliser = activity.new_zeros(batch, len(neurons), len(neurons)), torch.zeros_like(kept)
        before = [] if start is None else [start.to(activity).expand(batch, total)]
        matrices = []
        for z in (*before, *activity.unbind(1)):
            chosen = z[:, neurons]  # (B, n)
            numerator = kept * numerator + chosen.unsqueeze(2) * chosen.unsqueeze(1)  # (B, n, n)
            normaliser = kept * normaliser + 1  # () or (n, n)
            matrices.append(numerator / normaliser.sqrt())
        return torch.stack(matrices[-ticks:], dim=1)  # (B, T, n, n)


RECORDED = Record._fields[:-1]
"""What can be recorded."""


def recorded_names(record: bool | Collection[str]) -> frozenset[str]:
    """Which of `RECORDED` are asked for.

    Raises:
        ValueError: for a name that is none of them.
    """
    if isinstance(record, bool):
        return frozenset(RECORDED if record else ())
    names = [record] if isinstance(record, str) else record
    for name in names:
        if name not in RECORDED:
            raise ValueError(f"record: {name!r} is unknown; expected True, False or some of {', '.join(RECORDED)}")
    return frozenset(names)


class Thoughts(NamedTuple):
    """The result of a forward pass, the same for every model."""

    logits: Tensor  # (B, T, *answer, C)
    certainty: Tensor  # (B, T)
    state: Any  # to go on thinking from here: model(x, state=thoughts.state)
    record: Record | None = None
    shown: int = 0  # how many ticks came before every sample had been shown all of its input

    @property
    def ticks(self) -> int:
        """T, how many ticks were thought."""
        return self.logits.shape[1]

    @property
    def due(self) -> "Thoughts":
        """The same without the ticks before all of the input was shown, but with the last one in any case."""
        since = min(self.shown, self.ticks - 1)
        return Thoughts(self.logits[:, since:], self.certainty[:, since:], self.state)

    @property
    def recorded(self) -> Any:
        """The record.

        Raises:
            ValueError: if nothing was recorded.
        """
        if self.record is None:
            raise ValueError("nothing was recorded: call the model with record=True")
        return self.record

    def at(self, rule: Rule | int = "most_certain", threshold: float = 0.8) -> Tensor:
        """One answer per sample, (B, *answer, C), chosen over all ticks at which it is due.

        Args:
            rule: a tick (negative ones count from the end), or one of the rules of `answers`.
            threshold: the certainty that counts as sure; only for the rule "sure".

        Raises:
            IndexError: for a tick that was not thought.
            ValueError: for an unknown rule.
        """
        if isinstance(rule, int):
            if not -self.ticks <= rule < self.ticks:
                raise IndexError(f"tick {rule}: there are {self.ticks} ticks, 0 to {self.ticks - 1}")
            return self.logits[:, rule]
        return self.due.answers(rule, threshold)[:, -1]

    def answers(self, rule: Rule, threshold: float = 0.8) -> Tensor:
        """The answer one would give at every tick, knowing only the ticks so far: (B, T, *answer, C).

        Args:
            rule: "last", the tick itself; "most_certain", the most certain tick so far; "mean", the mean of logits
                so far; "certainty_weighted", their mean weighted by certainty (appendix E.3); "sure", the mean since
                the first tick whose certainty reached `threshold`, and the tick itself until then.
            threshold: the certainty that counts as sure.
        """
        if rule == "last":
            return self.logits
        if rule == "most_certain":
            best = self.most_certain_tick()  # (B, T)
            return self.logits.gather(1, _broadcast(best, self.logits).expand_as(self.logits))
        if rule == "mean":
            return _weighted_mean_so_far(self.logits, torch.ones_like(self.certainty))
        if rule == "certainty_weighted":
            smallest = torch.finfo(self.certainty.dtype).eps  # rounding can make a certainty of 0 negative
            return _weighted_mean_so_far(self.logits, self.certainty.clamp_min(smallest))
        if rule == "sure":
            sure = (self.certainty >= threshold).cummax(dim=1).values  # (B, T) from the first sure tick on
            mean = _weighted_mean_so_far(self.logits, sure.float())
            return torch.where(_broadcast(sure, self.logits), mean, self.logits)
        raise ValueError(f"rule = {rule!r}: expected a tick or one of {', '.join(RULES)}")

    def most_certain_tick(self) -> Tensor:
        """For every tick, which tick up to it was the most certain, the first of equal ones: (B, T)."""
        highest = self.certainty.cummax(dim=1).values  # (B, T)
        rises = highest[:, 1:] > highest[:, :-1]  # (B, T - 1)
        ticks = torch.arange(1, self.ticks, device=rises.device)
        return F.pad(torch.where(rises, ticks, 0), (1, 0)).cummax(dim=1).values


def _broadcast(per_tick: Shaped[Tensor, "B T"], like: Tensor) -> Tensor:
    return per_tick.view(*per_tick.shape, *[1] * (like.dim() - 2))


def _weighted_mean_so_far(logits: Tensor, weight: Float[Tensor, "B T"]) -> Tensor:
    weight = _broadcast(weight, logits)
    return (logits * weight).cumsum(1) / weight.cumsum(1).clamp_min(torch.finfo(weight.dtype).tiny)
