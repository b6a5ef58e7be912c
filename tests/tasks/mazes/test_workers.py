import os

import pytest

from ctm.tasks.mazes.workers import workers


def who(number):
    """The process that worked, and its result."""
    if number < 0:
        raise ValueError("below nothing")
    return os.getpid(), number**2


@pytest.mark.parametrize(("pieces", "processes", "others"), [(1, 8, False), (9, 1, False), (9, 2, True)])
def test_results_come_in_order_whoever_computes_them(pieces, processes, others):
    with workers(pieces, processes) as spread:
        found = list(spread(who, range(100)))
    assert [result for _, result in found] == [number**2 for number in range(100)]
    assert (os.getpid() not in {process for process, _ in found}) == others


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_comes_through(processes):
    with workers(9, processes) as spread, pytest.raises(ValueError, match="below nothing"):
        list(spread(who, [1, -1]))
