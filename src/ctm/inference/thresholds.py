"""At which certainty to stop: the one that a budget of ticks pays for, or that keeps the error below a bound."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ctm.errors import ConfigError
from ctm.inference.risk import fewest_samples, p_value, upper_bound

GRID = [step / 10_000 for step in range(10_000, 9_900, -1)] + [step / 1_000 for step in range(990, 0, -1)]
"""Certainties that `threshold_for_error` tries, from 1 down: finer where most answers of a trained model are."""


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


def threshold_for_error(
    certainty: Float[Tensor, "N T"],
    scores: Float[Tensor, "N T"],
    *,
    error: float | None = None,
    lost: float | None = None,
    confidence: float = 0.95,
) -> float:
    """The lowest certainty at which one can stop so that the error stays below a bound, with confidence.

    With at least this probability over the draw of the samples, stopping at what is returned keeps the bound for all
    others like them, whatever their distribution and however few they are: Learn-then-Test (Angelopoulos et al. 2021).
    The certainties of `GRID` are tested one by one from 1 downwards, up to the first of which the samples do not show
    that it keeps the bound; so that choosing among them costs no confidence.

    Args:
        certainty: of full forward passes on samples like those to come, which the model did not learn from.
        scores: from 0 (wrong) to 1 (right), of the answers given at each tick, by default the most certain ones so far.
        error: what 1 minus the mean score may be.
        lost: instead, how far the mean score may be below that of thinking to the end. More is kept to: what every
            sample loses is counted, and nothing set off against it where stopping is better.
        confidence: between 0 and 1.

    Returns:
        what to give `think` as `until`.

    Raises:
        ConfigError: for too few samples, for scores below 0 or above 1, or if no certainty keeps the bound.
        ValueError: unless there is one bound, between 0 and 1.
    """
    if (error is None) == (lost is None):
        raise ValueError("expected one of error and lost")
    name, bound = ("error", error) if error is not None else ("lost", lost or 0.0)
    for what, value in {name: bound, "confidence": confidence}.items():
        if not 0 < value < 1:
            raise ValueError(f"{what} = {value}: expected a number above 0 and below 1")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ConfigError(f"scores from {scores.min():g} to {scores.max():g}: expected 0 (wrong) to 1 (right)")
    if len(scores) < (fewest := fewest_samples(bound, confidence)):
        raise ConfigError(
            f"{len(scores)} samples: expected at least {fewest} to show with a confidence of {confidence:g} that a "
            f"bound of {bound:g} is kept, or another bound"
        )
    losses, binary = _losses(scores, lost is not None), _is_binary(scores)
    found = None
    for until in GRID:
        if p_value(at_stop(losses, certainty, until), bound, binary) > 1 - confidence:
            break
        found = until
    if found is None:
        mean, most = risk_of_stopping(certainty, scores, 1.0, lost=lost is not None, confidence=confidence)
        wrong = f"an error of {mean:.4f}" if lost is None else f"a loss of {mean:.4f}"
        other = ", or a bound on what is lost instead" if lost is None else ""
        raise ConfigError(
            f"{name} = {bound:g}: waiting for a certainty of 1, or to the end, has {wrong}, and up to {most:.4f} "
            f"as far as {len(scores)} samples tell: expected a higher bound{other}"
        )
    return found


def risk_of_stopping(
    certainty: Float[Tensor, "N T"], scores: Float[Tensor, "N T"], until: float, *, lost: bool, confidence: float
) -> tuple[float, float]:
    """The error of stopping at a certainty, of the given samples; and what it is at most, of all others like them.

    Args:
        certainty, scores, confidence: as for `threshold_for_error`.
        until: chosen without looking at the samples; after a choice among several the second number is a guide.
        lost: whether it is what is lost against thinking to the end, and not what is wrong.
    """
    losses = at_stop(_losses(scores, lost), certainty, until)  # (N,)
    return float(losses.cpu().double().mean()), upper_bound(losses, confidence, _is_binary(scores))


def stopping_tick(certainty: Float[Tensor, "N T"], until: float) -> Int[Tensor, " N"]:
    """At which tick, from 0, thinking about each sample stops."""
    return (certainty.cummax(1).values < until).sum(1).clamp_max(certainty.shape[1] - 1)


def at_stop(values: Float[Tensor, "N T"], certainty: Float[Tensor, "N T"], until: float) -> Float[Tensor, " N"]:
    """Of each sample the value of the tick at which thinking stops."""
    return values.gather(1, stopping_tick(certainty, until).unsqueeze(1)).squeeze(1)


def _losses(scores: Float[Tensor, "N T"], lost: bool) -> Float[Tensor, "N T"]:
    """Of every sample and tick at which one could stop, from 0 to 1."""
    return (scores[:, -1:] - scores).clamp_min(0) if lost else 1 - scores


def _is_binary(scores: Tensor) -> bool:
    """Whether answers are right or wrong, with nothing between."""
    return bool(((scores == 0) | (scores == 1)).all())
