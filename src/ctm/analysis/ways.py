"""Every way of answering, at every tick, as rows of a table (Figures 10a and 10c in numbers)."""

from typing import Any

from ctm.analysis.over_ticks import WAYS, OverTicks

ALONE = "last_alone"
"""The answer of a tick as in the way "last", but with its probability at that tick alone."""
NAMES = {ALONE: "this tick, by its own probability", **WAYS}
"""The ways, and what tables call them."""


def ways_by_tick(seen: OverTicks) -> list[dict[str, Any]]:
    """How right each way of answering is, and how far its probabilities are to be trusted.

    Args:
        seen: what was collected of a data set.

    Returns:
        a row for each way and tick: "way", one of `NAMES`; "tick", from 1; "top_1", its accuracy; "top_5", likewise if
        the target may be any of the five likeliest classes, only where there are more; and "calibration_error", the
        expected calibration error, of answers of one label, and None of others.
    """
    rows = []
    for way in NAMES:
        rule = "last" if way == ALONE else way
        calibration = seen.own_calibration if way == ALONE else seen.calibration[rule]
        errors = calibration.errors() or [None] * seen.ticks
        scores = {f"top_{top}": seen.accuracy(rule, top).tolist() for top in seen.tops}
        for tick in range(seen.ticks):
            row = {name: values[tick] for name, values in scores.items()}
            rows.append({"way": way, "tick": tick + 1, **row, "calibration_error": errors[tick]})
    return rows


def ways_table(rows: list[dict[str, Any]], title: str) -> str:
    """The rows of the last tick as text, under a title."""
    last = rows[-1]["tick"]
    columns = [name for name in rows[0] if name not in ("way", "tick")]
    lines = [f"{f'{title}, after tick {last}':36}" + "".join(f"{name.replace('_', ' '):>19}" for name in columns)]
    for row in rows:
        if row["tick"] == last:
            cells = ["–" if row[name] is None else f"{row[name]:.4f}" for name in columns]
            lines.append(f"{NAMES[row['way']]:36}" + "".join(f"{cell:>19}" for cell in cells))
    return "\n".join(lines)
