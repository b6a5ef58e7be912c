"""An agent that acts: its environment, its neurons, and what it thinks of both, step by step (Figures 33 and 35)."""

import math
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ctm.analysis.panels import curve_so_far
from ctm.analysis.style import (
    BLUE,
    GREEN,
    INK,
    SERIES,
    canvas,
    picture_axis,
    plain,
    styled,
    to_frame,
    whole_numbers,
)
from ctm.tasks.control.actors import RecordedEpisode

SHOWN = 24
"""Neurons whose traces are drawn."""
BEHIND = 40
"""Steps of an episode for which their traces are still to be seen."""


def episode_frames(episode: RecordedEpisode, most: int) -> Iterator[np.ndarray]:
    """An episode as an animation, a frame a step.

    Args:
        episode: what happened.
        most: frames; of a longer episode only every second, third, … step is drawn, the last one always.
    """
    steps = len(episode.actions)
    for step in reversed(range(steps - 1, -1, -max(1, math.ceil(steps / most)))):
        yield to_frame(episode_picture(episode, step))


@styled()
def episode_picture(episode: RecordedEpisode, step: int = -1) -> Figure:
    """An episode up to a step: the environment, the neurons' traces, the policy, value and certainty.

    Args:
        episode: what happened.
        step: negative ones count from the end.
    """
    step = range(len(episode.actions))[step]
    figure = canvas(height=4.6)
    environment = figure.add_axes((0.01, 0.42, 0.42, 0.51))
    environment.imshow(episode.frames[step])
    environment.set_title(f"step {step + 1}, return {episode.rewards[: step + 1].sum().item():g}")
    picture_axis(environment)
    traces = figure.add_axes((0.46, 0.42, 0.53, 0.51))
    _traces(traces, episode, step)
    panels = [figure.add_axes((left, 0.1, 0.245, 0.22)) for left in (0.075, 0.41, 0.74)]
    _policy(panels[0], episode, step)
    look = {"size": 14.0, "linewidth": 1.4}
    curve_so_far(panels[1], plain(episode.values), step, color=BLUE, **look)
    panels[1].set_title("Value")
    _limits(panels[1], plain(episode.values))
    curve_so_far(panels[2], plain(episode.certainty), step, color=GREEN, **look)
    panels[2].set(title="Certainty", ylim=(0, 1.05))
    for axes in panels:
        axes.set(xlim=(0.5, max(len(episode.actions), 2) + 0.5), xlabel="step")
        axes.xaxis.set_major_locator(whole_numbers())
    return figure


def _traces(axes: Axes, episode: RecordedEpisode, step: int) -> None:
    """The latest post-activations of some neurons, each in a row, scaled to nearly its whole range in the episode."""
    ticks, random = episode.ticks, np.random.default_rng(0)
    activity = plain(episode.activity)  # (S T, D)
    chosen = np.sort(random.permutation(activity.shape[1])[:SHOWN])
    colours = hsv_to_rgb(random.uniform((0.0, 0.55, 0.75), (1.0, 0.9, 0.85), size=(len(chosen), 3)))
    low, high = np.quantile(activity[:, chosen], (0.02, 0.98), axis=0)  # (neurons,), without what happens but once
    now = (step + 1) * ticks
    since = max(0, now - BEHIND * ticks)
    recent = (activity[since:now, chosen] - low) / np.where(high - low < 1e-6, 1, high - low)  # (ticks, neurons)
    recent = recent.clip(-0.1, 1.1)
    time = np.arange(since, now) / ticks + 1 / ticks
    rows = np.arange(len(chosen))[:, None] + 0.9 - 0.8 * recent.T  # (neurons, ticks)
    lines = np.stack([np.broadcast_to(time, rows.shape), rows], axis=-1)
    axes.add_collection(LineCollection(list(lines), colors=colours, linewidths=1.3))
    axes.scatter(np.full(len(chosen), time[-1]), rows[:, -1], c=colours, s=9, zorder=3)
    width = min(BEHIND, len(episode.actions))
    right = max(step + 1, width)
    axes.set(xlim=(right - width, right + width / 60), ylim=(len(chosen), -0.2), yticks=[])
    axes.set_title(f"{len(chosen)} neurons, {ticks} tick{'s' if ticks > 1 else ''} a step")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(whole_numbers())


def _policy(axes: Axes, episode: RecordedEpisode, step: int) -> None:
    """The probabilities of actions over steps, on top of each other, or the numbers of an action."""
    steps = np.arange(step + 1) + 1
    if episode.probabilities is None:
        axes.set_title("Actions")
        numbers = plain(episode.actions).reshape(len(episode.actions), -1)
        for number, colour in zip(numbers.T, SERIES * len(numbers.T), strict=False):
            curve_so_far(axes, number, step, size=14.0, color=colour, linewidth=1.4)
        _limits(axes, numbers)
        return
    axes.set_title("Policy, and what was done")
    shares = plain(episode.probabilities[: step + 1]).T  # (A, steps)
    edges = np.vstack([np.zeros(len(steps)), shares.cumsum(0)])
    done = plain(episode.actions[: step + 1]).astype(int)
    for number, colour in zip(range(len(shares)), SERIES * len(shares), strict=False):
        axes.fill_between(steps, edges[number], edges[number + 1], color=colour, alpha=0.45, linewidth=0, step="mid")
    middle = (edges[done, np.arange(len(done))] + edges[done + 1, np.arange(len(done))]) / 2
    axes.scatter(steps[-BEHIND:], middle[-BEHIND:], color=INK, s=3)
    axes.set(ylim=(0, 1))


def _limits(axes: Axes, values: np.ndarray) -> None:
    low, high = float(values.min()), float(values.max())
    margin = max(0.08 * (high - low), 1e-3)
    axes.set_ylim(low - margin, high + margin)
    axes.yaxis.set_major_locator(MaxNLocator(4))
