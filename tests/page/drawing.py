"""Digits as strokes, drawn with the mouse."""

import math

Stroke = list[tuple[float, float]]

DRAWN: dict[int, list[Stroke]] = {
    0: [[(0.5 + 0.2 * math.sin(a / 5), 0.5 - 0.3 * math.cos(a / 5)) for a in range(32)]],
    1: [[(0.5, 0.2), (0.5, 0.8)]],
    3: [
        [(0.33, 0.25), (0.5, 0.17), (0.65, 0.25), (0.62, 0.4), (0.48, 0.48)],
        [(0.48, 0.48), (0.65, 0.57), (0.65, 0.74), (0.5, 0.83), (0.32, 0.76)],
    ],
}
"""Points in shares of the drawing area."""


def draw(page, digit: int) -> None:
    """Draws a digit on the page of the digits."""
    box = page.locator("#view canvas").first.bounding_box()
    for stroke in DRAWN[digit]:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place, steps=3)
        page.mouse.up()
