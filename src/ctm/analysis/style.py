"""One look for all pictures: colours, type, sizes, and the way from a figure to a frame."""

from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

PAPER, INK, MUTED, FAINT = "#ffffff", "#1f2430", "#7d8492", "#e4e7ee"
BLUE, ORANGE, GREEN, PURPLE, RED = "#3568c8", "#ec8a1c", "#27945a", "#8a55c6", "#d4453b"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, RED, INK, MUTED)
"""Colours of lines that are compared with each other, in order."""

TICK_COLOURS = ListedColormap(matplotlib.colormaps["plasma"](np.linspace(0.02, 0.92, 256)), name="ticks")
"""The passing of internal ticks, from first to last; legible on white."""
HEAT = matplotlib.colormaps["inferno"]
"""Attention, from none to the strongest."""
SIGNS = LinearSegmentedColormap.from_list("signs", ["#2b4c8c", "#f4f5f8", "#c9622b"])
"""From one of two answers through doubt to the other."""

WIDTH = 8.0
"""Inches; at 100 dots an inch all pictures are 800 pixels wide."""

LOOK: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


def styled():
    """Decorator: everything made inside the function has the common look."""
    return matplotlib.rc_context(LOOK)


def canvas(height: float = 4.0, width: float = WIDTH) -> Figure:
    """An empty figure of the common width that needs no screen; sizes in inches."""
    figure = Figure(figsize=(width, height), dpi=100, facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def to_frame(figure: Figure) -> np.ndarray:
    """The figure as an RGB picture (H, W, 3) uint8, with even H and W as video wants them."""
    drawing = FigureCanvasAgg(figure)
    drawing.draw()
    pixels = np.asarray(drawing.buffer_rgba())
    height, width = (size // 2 * 2 for size in pixels.shape[:2])
    return pixels[:height, :width, :3].copy()


def plain(values: Tensor | np.ndarray) -> np.ndarray:
    """A tensor from anywhere as a float32 array."""
    return torch.as_tensor(values).detach().cpu().float().numpy()


def tick_axis(axes: Axes, ticks: int) -> None:
    """Labels the horizontal axis with internal ticks, counted from 1."""
    axes.set_xlim(0.5, ticks + 0.5)
    axes.xaxis.set_major_locator(whole_numbers())
    axes.set_xlabel("internal tick")


def whole_numbers() -> MaxNLocator:
    """Round numbers without fractions, as many as there is room for."""
    return MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)


def picture_axis(axes: Axes) -> None:
    """Leaves nothing of the axes but a thin frame, for pictures and maps."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=FAINT)
