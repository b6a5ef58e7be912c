import re

import pytest
import torch

from ctm.analysis.over_ticks import WAYS, OverTicks
from ctm.analysis.ways import ALONE, NAMES, ways_by_tick, ways_table


def collected(think, answer=(), classes=6):
    seen = OverTicks()
    seen.add(think(batch=9, ticks=3, answer=answer, classes=classes), torch.ones(9, *answer, dtype=torch.long))
    return seen


def test_a_row_for_each_way_and_tick(think):
    seen = collected(think)
    rows = {(row.pop("way"), row.pop("tick")): row for row in ways_by_tick(seen)}
    assert list(rows) == [(way, tick) for way in NAMES for tick in (1, 2, 3)]
    for (way, tick), row in rows.items():
        rule = "last" if way == ALONE else way
        calibration = seen.own_calibration if way == ALONE else seen.calibration[rule]
        assert row == {
            "top_1": seen.accuracy(rule, 1)[tick - 1],
            "top_5": seen.accuracy(rule, 5)[tick - 1],
            "calibration_error": calibration.error(tick - 1),
        }
    assert rows["last", 1]["calibration_error"] == rows[ALONE, 1]["calibration_error"]
    assert rows["last", 3]["calibration_error"] != rows[ALONE, 3]["calibration_error"]


@pytest.mark.parametrize(("answer", "classes"), [((2,), 6), ((2,), 4)])
def test_the_table_is_of_the_last_tick(think, answer, classes):
    rows = ways_by_tick(collected(think, answer, classes))
    title, *lines = ways_table(rows, "test split").splitlines()
    tops = ["top 1", "top 5"] if classes > 5 else ["top 1"]
    assert re.split(r"  +", title) == ["test split, after tick 3", *tops, "calibration error"]
    for line, way in zip(lines, NAMES, strict=True):
        (row,) = [row for row in rows if (row["way"], row["tick"]) == (way, 3)]
        scores = [f"{row[top.replace(' ', '_')]:.4f}" for top in tops]
        assert re.split(r"  +", line) == [NAMES[way], *scores, "–"]
    assert set(WAYS) < set(NAMES)
