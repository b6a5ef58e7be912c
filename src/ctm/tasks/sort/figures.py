"""How a machine sorts: what it says when, how long it waits, and which lists it can sort (Figures 27 and 28)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ctm.analysis.maps import colour_bar, table_of_shares, tick_map
from ctm.analysis.style import (
    BLUE,
    FAINT,
    GREEN,
    HEAT,
    MUTED,
    ORANGE,
    RED,
    canvas,
    plain,
    styled,
    tick_axis,
    to_frame,
    whole_numbers,
)
from ctm.kernels.precision import widest
from ctm.machine import ContinuousThoughtMachine
from ctm.randomness import generator
from ctm.tasks.sort.emissions import Emissions, emissions

RAINBOW = matplotlib.colormaps["rainbow"]
"""Places in the list, from the first to the last."""
MEANS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
SCALES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Means and standard deviations of the normal distributions that a machine is tried on."""


class Generalization(NamedTuple):
    """How many lists of numbers from other normal distributions are sorted without a mistake."""

    means: Sequence[float]
    scales: Sequence[float]
    accuracy: Tensor  # (means, scales)


@torch.inference_mode()
def generalization(
    model: ContinuousThoughtMachine,
    means: Sequence[float] = MEANS,
    scales: Sequence[float] = SCALES,
    lists: int = 200,
) -> Generalization:
    """Tries a machine that sorts on other distributions than it has learned from (Figure 27c).

    Args:
        model: in evaluation mode, as trained on numbers of mean 0 and standard deviation 1.
        means, scales: of the normal distributions to try, each mean with each standard deviation.
        lists: how many to sort of each, always the same but for mean and scale.
    """
    numbers = model.readout.shape[-1] - 1
    standard = torch.randn(lists, numbers, generator=generator("sort", "generalization"))  # (lists, N)
    standard = standard.to(next(model.parameters()).device)
    order = standard.argsort(-1)
    accuracy = torch.zeros(len(means), len(scales))
    for row, mean in enumerate(means):
        for column, scale in enumerate(scales):
            said = emissions(model(mean + scale * standard).logits, numbers)
            right = (said.classes == order).all(1) & (said.count == numbers)
            accuracy[row, column] = right.float().mean()
    return Generalization(means, scales, accuracy)


@styled()
def generalization_picture(tried: Generalization) -> Figure:
    """The share of lists sorted without a mistake as a map of means by standard deviations (Figure 27c)."""
    figure = canvas(height=3.6, width=5.2)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    colour_bar(table_of_shares(axes, plain(tried.accuracy), "{:.0%}".format, 8.0, aspect="auto"))
    axes.set_xticks(range(len(tried.scales)), [f"{scale:g}" for scale in tried.scales])
    axes.set_yticks(range(len(tried.means)), [f"{mean:g}" for mean in tried.means])
    axes.set(title="Lists sorted without a mistake", xlabel="standard deviation", ylabel="mean")
    return figure


@styled()
def waits_picture(numbers: Tensor, said: Emissions, bins: int = 12) -> Figure:
    """How long the machine waits before it says a number (Figures 27a and 27b).

    Args:
        numbers: (B, N) the lists.
        said: what was said about them.
        bins: of gaps, each with as many emissions as the others.

    Returns:
        a figure with two panels: the wait before each place of the answer, mean and standard deviation over lists; and
        the wait against the gap from the number said before to the one said, every emission and means of bins.
    """
    figure = canvas(height=3.2)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.15, top=0.9, wspace=0.2)
    by_index, by_gap = figure.subplots(1, 2)
    mean, spread = mean_waits(said)
    index = np.arange(1, len(mean) + 1)
    by_index.fill_between(index, mean - spread, mean + spread, color=BLUE, alpha=0.18, linewidth=0, label="± deviation")
    by_index.plot(index, mean, color=BLUE, marker="o", markersize=3.5, label="mean")
    by_index.set(title="Wait before each number", xlabel="place in the answer", ylabel="ticks")
    by_index.xaxis.set_major_locator(whole_numbers())
    by_index.set_ylim(bottom=0)
    by_index.legend(loc="best")

    gaps, waits = (plain(values) for values in gaps_and_waits(numbers, said))
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(waits))  # waits are whole numbers, and hide each other
    by_gap.scatter(gaps, waits + jitter, s=3, color=MUTED, alpha=0.15, linewidths=0, label="a number")
    parts = [part for part in np.array_split(np.argsort(gaps), bins) if len(part)]
    middle, height = ([values[part].mean() for part in parts] for values in (gaps, waits))
    by_gap.plot(middle, height, color=ORANGE, marker="o", markersize=3.5, label="mean")
    by_gap.set(title="Wait, by the gap to the number said before", xlabel="gap", ylabel="ticks")
    if len(gaps):
        by_gap.set_xlim(*np.quantile(gaps, (0.002, 0.998)))
    by_gap.set_ylim(bottom=0)
    for handle in by_gap.legend(loc="upper left", markerscale=2).legend_handles:
        handle.set_alpha(1)
    for axes in (by_index, by_gap):
        axes.grid(axis="y")
    return figure


def mean_waits(said: Emissions) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the wait before each of N numbers, (N,) each, over the lists that got so far."""
    waits = said.waits.to(widest(said.waits.device))  # (B, N)
    waits = torch.where(said.ticks > 0, waits, torch.nan)
    mean = waits.nanmean(0)  # (N,)
    return plain(mean), plain((waits - mean).square().nanmean(0).sqrt())


def gaps_and_waits(numbers: Tensor, said: Emissions) -> tuple[Tensor, Tensor]:
    """The gap from the number said before, and the wait, of every number said but the first: (emissions,) each."""
    length = numbers.shape[1]
    values = numbers.gather(1, said.classes.clamp_max(length - 1))  # (B, N)
    there = (said.ticks > 0)[:, 1:]  # (B, N - 1)
    return values.diff()[there], said.waits[:, 1:][there]


@styled()
def sorting_picture(numbers: Tensor, said: Emissions) -> Figure:
    """Some lists, and where the machine waited longer or shorter than usual (Figure 28).

    Args:
        numbers: (K, N) the lists, drawn as lines at their values, coloured by place in the list.
        said: what was said about them, and about as many more lists as there are, for the mean wait.

    Returns:
        a figure with a row for each list; bars beside the numbers are the wait less the mean wait at this place of the
        answer: red upwards for longer, green downwards for shorter.
    """
    lists, length = numbers.shape
    inches = 0.9 + 0.95 * lists
    figure = canvas(height=inches)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.5 / inches, top=1 - 0.3 / inches)
    mean, _ = mean_waits(said)
    there = plain(said.ticks) > 0
    deviation = np.where(there, plain(said.waits) - mean, 0)  # (B, N)
    reach = max(1.0, float(np.abs(deviation[:lists]).max()))
    low, high = float(numbers.min()), float(numbers.max())
    offset = 0.004 * (high - low)
    for row, axes in enumerate(figure.subplots(lists, 1, sharex=True, squeeze=False)[:, 0]):
        axes.vlines(plain(numbers[row]), -1, 1, color=RAINBOW(np.linspace(0, 1, length)), linewidth=1.4)
        axes.axhline(0, color=FAINT, linewidth=0.7, zorder=0)
        for index in range(min(int(said.count[row]), length)):
            place = float(numbers[row, said.classes[row, index]])
            height = float(deviation[row, index]) / reach
            axes.vlines(place + offset, 0, height, color=RED if height > 0 else GREEN, linewidth=3.5)
        axes.set_yticks([-1, 0, 1], [f"−{reach:.2g}", "0", f"+{reach:.2g}"])
        axes.set_ylim(-1.05, 1.05)
    figure.axes[0].set_title(f"{lists} lists: ticks waited more (red) or less (green) than usual before each number")
    figure.axes[-1].set_xlabel("number")
    return figure


def sorting_frames(numbers: Tensor, logits: Tensor) -> Iterator[np.ndarray]:
    """An animation of one list being sorted, one frame a tick.

    Args:
        numbers: (N,) the list.
        logits: (T, N + 1).
    """
    said = emissions(logits.unsqueeze(0), len(numbers))
    for tick in range(1, len(logits) + 1):
        yield to_frame(_draw(plain(numbers), plain(logits.softmax(-1)), said, tick))


@styled()
def _draw(numbers: np.ndarray, spoken: np.ndarray, said: Emissions, tick: int) -> Figure:
    """The list, what was said of it up to a tick, and the likelihood (T, N + 1) of saying each number."""
    length, ticks = len(numbers), len(spoken)
    when = plain(said.ticks[0]).astype(int)
    places = plain(said.classes[0]).astype(int)[(when > 0) & (when <= tick)]
    figure = canvas(height=4.6)
    grid = figure.add_gridspec(2, 2, left=0.07, right=0.985, bottom=0.1, top=0.86, hspace=0.5, wspace=0.14)
    given, answer = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    faded = np.where(np.isin(np.arange(length), places), 0.2, 1.0)
    _bars(given, numbers, np.arange(length), faded, "The list (pale: said already)", "place in the list")
    _bars(answer, numbers, places, np.ones(len(places)), "Said so far", "place in the answer")

    order = numbers.argsort(kind="stable")
    rank = np.empty(length, int)
    rank[order] = np.arange(length)
    course = figure.add_subplot(grid[1, :])
    likely = np.where(np.arange(ticks)[:, None] < tick, spoken[:, order], 0)
    tick_map(course, likely, HEAT, upwards=True)
    course.scatter(when[: len(places)], rank[places] + 1, color=RAINBOW(_shade(places, length)), s=26, zorder=3)
    course.axvline(tick, color=MUTED, linewidth=0.8)
    course.set(title="What is said at each tick: bright is likely, a dot is said", ylabel="smallest to largest")
    course.yaxis.set_major_locator(whole_numbers())
    tick_axis(course, ticks)
    now = places[-1] if len(places) and when[len(places) - 1] == tick else None
    says = "nothing" if now is None else f"place {now + 1}, which is {numbers[now]:.3g}"
    figure.suptitle(f"Tick {tick} of {ticks}: says {says}", x=0.07, y=0.965, ha="left", fontsize=11, fontweight="bold")
    return figure


def _bars(axes: Axes, numbers: np.ndarray, places: np.ndarray, alpha: np.ndarray, title: str, label: str) -> None:
    """The numbers at some places, side by side, coloured by place."""
    colours = RAINBOW(_shade(places, len(numbers)))
    colours[:, 3] = alpha
    axes.bar(np.arange(1, len(places) + 1), numbers[places], color=colours, width=0.8)
    axes.axhline(0, color=MUTED, linewidth=0.7)
    low, high = min(0.0, numbers.min()), max(0.0, numbers.max())
    axes.set_ylim(low - 0.06 * (high - low) - 1e-6, high + 0.06 * (high - low) + 1e-6)
    axes.set_xlim(0.3, len(numbers) + 0.7)
    axes.set(title=title, xlabel=label)
    axes.xaxis.set_major_locator(whole_numbers())


def _shade(places: np.ndarray, length: int) -> np.ndarray:
    """Where places are between the first, 0, and the last, 1."""
    return places / max(length - 1, 1)
