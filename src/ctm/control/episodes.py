"""Whole episodes: how well an agent does, with an interval, and one episode to look at."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ctm.control.environments import EnvironmentConfig, Environments, Episodes
from ctm.randomness import generator

Act = Callable[[Tensor, Bool[Tensor, " N"]], Tensor]
"""Gives actions for observations (N, *shape) and whether each is the first of an episode; what an agent remembers of
the steps before is its own affair."""


def play(act: Act, environments: Environments, episodes: int, seed: int) -> Episodes:
    """Plays whole episodes.

    How many each environment plays is fixed beforehand: were they taken as they finish, there would be too many short
    ones among them.

    Args:
        act: the agent.
        environments: where to; they are reset.
        episodes: how many, over all environments.
        seed: all that is random in the environments follows from it.

    Returns:
        `episodes` of them, those of the first environment first, each in the order in which they were played.

    Raises:
        RunError: if an environment fails.
        ValueError: for fewer than one episode.
    """
    if episodes < 1:
        raise ValueError(f"episodes = {episodes}: expected at least 1")
    share, more = divmod(episodes, environments.count)
    shares = share + (torch.arange(environments.count) < more).long()  # (N,)
    played = torch.zeros_like(shares)  # (N,)
    kept: list[Episodes] = []
    observations, started = environments.reset(seed), torch.ones(environments.count, dtype=torch.bool)
    while (played < shares).any():
        observations, _, _, _, started = environments.step(act(observations, started))
        finished = environments.episodes()
        wanted = played[finished.rows] < shares[finished.rows]  # (E,)
        played[finished.rows] += 1
        kept.append(Episodes(*(part[wanted] for part in finished)))
    every = Episodes(*map(torch.cat, zip(*kept, strict=True)))
    order = every.rows.argsort(stable=True)
    return Episodes(*(part[order] for part in every))


def bootstrap_interval(
    values: Float[Tensor, " E"], level: float = 0.95, seed: int = 0, resamples: int = 2000
) -> tuple[float, float]:
    """Where the mean of E values lies, from the means of samples drawn from them with replacement.

    Args:
        values: such as the returns of episodes.
        level: the share of these means that lie between the two numbers.
        seed: of the draws.
        resamples: how many means.

    Returns:
        the lower and the upper end.
    """
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: expected 0 < level < 1")
    source = generator(seed, "bootstrap")
    chosen = torch.randint(len(values), (resamples, len(values)), generator=source)  # (resamples, E)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    lower, upper = values.double()[chosen].mean(1).quantile(ends).tolist()
    return lower, upper


class EpisodeStep(NamedTuple):
    """A step of an episode that is looked at."""

    observation: Tensor
    """(*shape)."""
    action: Tensor
    """() or (count,), as the agent gave it."""
    reward: float
    """What it brought."""
    frame: np.ndarray | None
    """(H, W, 3) uint8, the environment as it was observed; nothing if it is not drawn."""


def watch(act: Act, config: EnvironmentConfig, seed: int, drawn: bool = True) -> Iterator[EpisodeStep]:
    """Plays an episode, step by step, and draws it; no screen is needed.

    Args:
        act: the agent; it gets one observation at a time, (1, *shape).
        config: the environment.
        seed: all that is random in the environment follows from it.
        drawn: whether it is drawn.

    Raises:
        ConfigError: if there is no such environment, or it cannot be drawn.
        RunError: if it fails.
    """
    environments = config.build(1, drawn)
    try:
        observations, started = environments.reset(seed), torch.ones(1, dtype=torch.bool)
        ended = False
        while not ended:
            frame = environments.render()[0] if drawn else None
            actions = act(observations, started)
            step = environments.step(actions)
            yield EpisodeStep(observations[0], actions[0], step.rewards.item(), frame)
            observations, started = step.observations, step.started
            ended = bool(step.terminated | step.truncated)
    finally:
        environments.close()
