"""Draws the parts of a machine and the loop that joins them: docs/images/machine.svg, for docs/how-it-works.md.

    python tools/draw_machine.py [FILE]

Numbers are the sections of that chapter. The curves and cells are made up; they show what kind of thing a part holds.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1200, 850
INK, MUTED, LINE, CARD, LOOP = "#1f2a36", "#5b6875", "#8a96a3", "#fdfcf9", "#eef3f8"
BLUE, TEAL, ORANGE, GREY = "#2f62a8", "#12807a", "#c4561a", "#d6dde4"
DIGIT = ("00111100", "01000010", "00000010", "00011100", "00000010", "00000010", "01000010", "00111100")


def rectangle(x: float, y: float, width: float, height: float, fill: str, opacity: float = 1, **more: object) -> str:
    """A rectangle; `more` are attributes of SVG, with underscores for hyphens."""
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {size} fill="{fill}" fill-opacity="{opacity:.2f}"{attributes}/>'


def text(
    x: float, y: float, words: str, size: int = 15, fill: str = INK, anchor: str = "middle", **more: object
) -> str:
    """A line of text around, from or up to x."""
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}" text-anchor="{anchor}"'
    return f"<text {place}{attributes}>{escape(words)}</text>"


def path(points: Iterable[tuple[float, float]], colour: str, width: float = 2, **more: object) -> str:
    """A line through points."""
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    join = 'stroke-linejoin="round" stroke-linecap="round"'
    return f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{width:g}" {join}{attributes}/>'


def arrow(*points: tuple[float, float], colour: str = INK) -> str:
    """A line through points with a head at its end."""
    (x0, y0), (x1, y1) = points[-2:]
    length = math.hypot(x1 - x0, y1 - y0)
    along, across = ((x1 - x0) / length, (y1 - y0) / length), (-(y1 - y0) / length, (x1 - x0) / length)
    neck = (x1 - 11 * along[0], y1 - 11 * along[1])
    sides = [(neck[0] + side * across[0], neck[1] + side * across[1]) for side in (5.5, -5.5)]
    head = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(x1, y1), *sides])
    return path([*points[:-1], neck], colour, 2.2) + f'<polygon points="{head}" fill="{colour}"/>'


def station(number: int, x: float, y: float, name: str, colour: str = INK) -> str:
    """The number of a section in a disc, and the name of the part to its right."""
    disc = f'<circle cx="{x:g}" cy="{y:g}" r="13" fill="{colour}"/>'
    return (
        disc
        + text(x, y + 5, str(number), 14, "#ffffff", font_weight=700)
        + text(x + 21, y + 5, name, 17, colour, "start", font_weight=700)
    )


def cells(x: float, y: float, side: float, rows: Sequence[Sequence[float]], colour: str) -> str:
    """A grid of squares, the darker the nearer to 1 their value."""
    return "".join(
        rectangle(x + side * column, y + side * row, side - 1.5, side - 1.5, colour, 0.08 + 0.92 * value, rx=1.5)
        for row, values in enumerate(rows)
        for column, value in enumerate(values)
    )


def curve(x: float, y: float, width: float, height: float, values: Sequence[float]) -> list[tuple[float, float]]:
    """Values from 0 to 1 as points in a box with the corner (x, y)."""
    step = width / (len(values) - 1)
    return [(x + step * place, y + height * (1 - value)) for place, value in enumerate(values)]


def axes(x: float, y: float, width: float, height: float) -> str:
    """The left and the lower side of a box."""
    return path([(x, y - 4), (x, y + height), (x + width, y + height)], LINE, 1.4)


def activity(neuron: int, ticks: int) -> list[float]:
    """A made-up course of a neuron's activity, from 0 to 1."""
    speed, phase = 0.35 + 0.17 * (neuron * 5 % 4), 1.9 * neuron
    return [0.5 + 0.42 * math.sin(speed * tick + phase) * (0.6 + 0.4 * math.cos(0.21 * tick)) for tick in range(ticks)]


def features() -> str:
    """Data, backbone and tokens, computed once."""
    pixels = [[float(pixel) for pixel in row] for row in DIGIT]
    tokens = [[0.25 + 0.7 * (math.sin(1.7 * row + 2.3 * column) ** 2) for column in range(4)] for row in range(4)]
    return "".join(
        [
            text(125, 116, "once", 15, MUTED, font_style="italic"),
            cells(77, 130, 12, pixels, INK),
            text(125, 248, "data"),
            arrow((125, 260), (125, 306)),
            text(137, 288, "backbone", 14, MUTED, "start"),
            cells(77, 318, 24, tokens, BLUE),
            station(1, 52, 445, "Features"),
            text(125, 475, "16 places, a token each", 14, MUTED),
        ]
    )


def attention() -> str:
    """Where the machine looks."""
    weights = [[0.0, 0.1, 0.45, 0.1], [0.0, 0.2, 1.0, 0.3], [0.05, 0.1, 0.35, 0.1], [0.0, 0.0, 0.05, 0.0]]
    return "".join(
        [
            station(2, 302, 178, "Attention", TEAL),
            cells(305, 202, 24, weights, TEAL),
            text(353, 320, "where to look", 14, MUTED),
            arrow((183, 366), (250, 366), (250, 250), (297, 250)),
            text(258, 362, "keys, values", 14, MUTED, "start"),
            arrow((409, 250), (490, 250)),
            text(449, 240, "o", 18, font_style="italic"),
        ]
    )


def synapses() -> str:
    """All inputs to all neurons."""
    left, right = [(505, 206 + 18 * place) for place in range(6)], [(595, 206 + 18 * place) for place in range(6)]
    lines = [path([a, b], GREY, 1.1) for a in left for b in right]
    lines += [path([left[a], right[b]], BLUE, 1.6) for a, b in ((0, 2), (1, 4), (3, 1), (4, 5), (5, 0))]
    dots = [f'<circle cx="{x}" cy="{y}" r="5" fill="{INK}"/>' for x, y in left + right]
    return "".join(
        [
            station(3, 500, 178, "Synapses"),
            *lines,
            *dots,
            text(550, 320, "neurons meet", 14, MUTED),
            arrow((607, 250), (690, 250)),
            text(648, 240, "a", 18, font_style="italic"),
        ]
    )


def history() -> str:
    """The last pre-activations of every neuron."""
    rows = [activity(neuron, 8) for neuron in range(6)]
    return "".join(
        [
            station(4, 700, 178, "History"),
            cells(700, 199, 17, rows, BLUE),
            rectangle(700 + 7 * 17 - 2, 196, 20, 107, "none", stroke=ORANGE, stroke_width=2, rx=3),
            text(768, 320, "M ticks, newest last", 14, MUTED),
            arrow((842, 250), (925, 250)),
            text(883, 240, "A", 18, font_style="italic"),
        ]
    )


def neurons() -> str:
    """A private function for every neuron."""
    drawn = [station(5, 902, 178, "Neuron-level models")]
    for neuron in range(6):
        y = 199 + 17 * neuron
        values = [
            0.5 + 0.45 * math.tanh(math.sin(0.8 * place + 2.1 * neuron) * (1 + neuron % 3)) for place in range(24)
        ]
        drawn.append(rectangle(935, y, 92, 15, "#ffffff", stroke=LINE, stroke_width=1, rx=4))
        drawn.append(path(curve(941, y + 2, 80, 11, values), BLUE, 1.6))
        drawn.append(path([(1028, y + 7.5), (1048, y + 7.5)], LINE, 1.4))
        drawn.append(f'<circle cx="1054" cy="{y + 7.5}" r="6" fill="{BLUE}" fill-opacity="{values[-1] + 0.05:.2f}"/>')
    return "".join(
        [
            *drawn,
            text(985, 320, "a network for each neuron", 14, MUTED),
            arrow((1066, 250), (1130, 250), (1130, 135), (560, 135), (560, 160)),
            text(870, 126, "the new activities z, for the next tick", 14, MUTED),
            text(1143, 256, "z", 18, anchor="start", font_style="italic"),
            arrow((1130, 250), (1130, 450), (1100, 450)),
        ]
    )


def synchronization() -> str:
    """Two neurons over time, and how much every tick still counts."""
    ticks = 30
    first = activity(3, ticks)
    second = [0.5 + 0.75 * (value - 0.5) + 0.1 * math.sin(1.1 * tick) for tick, value in enumerate(first)]
    fading = [math.exp(-0.11 * (ticks - 1 - tick)) for tick in range(ticks)]
    bars = [
        rectangle(902 + 6.2 * tick, 500 - 30 * value, 4.6, 30 * value, ORANGE, 0.65)
        for tick, value in enumerate(fading)
    ]
    return "".join(
        [
            station(6, 880, 372, "Synchronization"),
            path(curve(902, 398, 185, 40, first), BLUE, 2.2),
            path(curve(902, 408, 185, 40, second), TEAL, 2.2),
            *bars,
            path([(900, 501), (1090, 501)], LINE, 1.4),
            text(995, 521, "two neurons over time, and how", 14, MUTED),
            text(995, 539, "much each tick still counts", 14, MUTED),
            arrow((885, 450), (762, 450)),
            text(822, 440, "S", 18, font_style="italic"),
        ]
    )


def pairs() -> str:
    """The triangle of all pairs, and those that are read."""
    side, count = 14, 10
    drawn = [station(7, 618, 372, "Pairs of neurons")]
    for row in range(count):
        for column in range(row, count):
            colour = ORANGE if column < 4 else TEAL if row >= 6 else GREY
            shade = 0.35 + 0.6 * math.sin(1.3 * row + 2.9 * column) ** 2 if colour != GREY else 0.55
            drawn.append(
                rectangle(
                    612 + side * column, 396 + side * (count - 1 - row), side - 1.5, side - 1.5, colour, shade, rx=1.5
                )
            )
    return "".join(
        [
            *drawn,
            text(604, 517, "output", 15, ORANGE, "end"),
            text(604, 449, "action", 15, TEAL, "end"),
            arrow((690, 444), (612, 444), colour=TEAL),
            arrow((547, 444), (353, 444), (353, 335), colour=TEAL),
            text(365, 400, "the query q", 14, TEAL, "start"),
            arrow((640, 542), (640, 582), (340, 582), (340, 614), colour=ORANGE),
        ]
    )


def answers() -> str:
    """What comes out, how sure it is, and what is made of that."""
    base, left, peaked, flat = (
        745,
        262,
        [0.05, 0.1, 0.06, 0.95, 0.1, 0.04, 0.07, 0.03, 0.2, 0.08],
        [0.42, 0.5, 0.38, 0.55],
    )
    bars = [
        rectangle(left + 15 * place, base - 80 * value, 11, 80 * value, ORANGE, 0.9 if value > 0.9 else 0.4)
        for place, value in enumerate(peaked)
    ]
    unsure = [
        rectangle(505 + 13 * place, base - 80 * value, 10, 80 * value, MUTED, 0.5) for place, value in enumerate(flat)
    ]
    sure = [
        rectangle(600 + 13 * place, base - 80 * value, 10, 80 * value, ORANGE, 0.9)
        for place, value in enumerate((0.03, 0.97, 0.05, 0.03))
    ]
    losses = [0.9, 0.82, 0.85, 0.6, 0.42, 0.3, 0.13, 0.2, 0.22, 0.27, 0.24, 0.3]
    certainty = [0.02, 0.04, 0.09, 0.2, 0.34, 0.5, 0.66, 0.8, 0.88, 0.93, 0.9, 0.91]
    loss, rising = curve(728, 665, 160, 80, losses), curve(974, 665, 160, 80, certainty)
    return "".join(
        [
            station(8, 262, 640, "Output", ORANGE),
            *bars,
            path([(258, base), (412, base)], LINE, 1.4),
            text(335, 768, "an answer at every tick", 14, MUTED),
            arrow((422, 710), (488, 710)),
            text(455, 700, "y", 18, font_style="italic"),
            station(9, 510, 640, "Certainty", ORANGE),
            *unsure,
            *sure,
            path([(501, base), (560, base)], LINE, 1.4),
            path([(596, base), (655, base)], LINE, 1.4),
            text(530, 768, "0: no idea", 14, MUTED),
            text(626, 768, "1: no doubt", 14, MUTED),
            station(10, 734, 640, "Loss of two ticks"),
            axes(728, 665, 160, 80),
            path(loss, BLUE, 2.2),
            *(
                f'<circle cx="{loss[tick][0]:.1f}" cy="{loss[tick][1]:.1f}" r="5.5" fill="{ORANGE}"/>'
                for tick in (6, 9)
            ),
            text(loss[6][0] + 3, loss[6][1] - 13, "t₁", 14, ORANGE),
            text(loss[9][0], loss[9][1] - 12, "t₂", 14, ORANGE),
            text(808, 768, "in training: least loss, most", 14, MUTED),
            text(808, 786, "certain, for each sample", 14, MUTED),
            station(11, 980, 640, "Stopping when sure"),
            axes(974, 665, 160, 80),
            path(rising[:8], BLUE, 2.2),
            path(rising[7:], BLUE, 2.2, stroke_dasharray="2 6", stroke_opacity=0.6),
            path([(974, 681), (1134, 681)], MUTED, 1.2, stroke_dasharray="5 4"),
            f'<circle cx="{rising[7][0]:.1f}" cy="{rising[7][1]:.1f}" r="5.5" fill="{ORANGE}"/>',
            text(1131, 697, "0.8", 13, MUTED, "end"),
            text(1054, 768, "in use: certain enough,", 14, MUTED),
            text(1054, 786, "so no more ticks", 14, MUTED),
        ]
    )


def drawing() -> str:
    """The whole picture as SVG, on a light card of its own."""
    title = "The parts of a Continuous Thought Machine"
    description = (
        "Features of the data are attended to; synapses give pre-activations, whose history every neuron's own model "
        "turns into activity; synchronization of chosen pairs of neurons forms the next query and the answer."
    )
    parts = [
        rectangle(6, 6, WIDTH - 12, HEIGHT - 12, CARD, rx=22, stroke="#cfd6dd", stroke_width=1.5),
        text(40, 52, title, 24, INK, "start", font_weight=700),
        rectangle(226, 78, 942, 478, LOOP, rx=26, stroke="#b9c6d3", stroke_width=1.5, stroke_dasharray="7 6"),
        text(246, 106, "again at every tick", 15, MUTED, "start", font_style="italic"),
        *(part() for part in (features, attention, synapses, history, neurons, synchronization, pairs, answers)),
        text(
            40,
            818,
            "Numbers are the sections of the chapter. z activities, o what is seen, a pre-activations, A "
            "history, S synchronization, q query, y answer.",
            14,
            MUTED,
            "start",
        ),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    font = 'role="img" font-family="Helvetica, Arial, \'Liberation Sans\', sans-serif"'
    words = f"<title>{title}</title>\n<desc>{description}</desc>"
    return "\n".join([f"{head} {font}>", words, *(part.replace("><", ">\n<") for part in parts), "</svg>", ""])


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1] / "docs" / "images" / "machine.svg"
    Path(sys.argv[1] if len(sys.argv) > 1 else here).write_text(drawing(), encoding="utf-8")
