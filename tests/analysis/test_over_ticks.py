import pytest
import torch

from ctm.analysis.over_ticks import THRESHOLDS, WAYS, OverTicks, accuracy_over_ticks, certainty_over_ticks
from ctm.thoughts import Thoughts


def collect(thoughts, targets, batch, top=1):
    seen = OverTicks(top)
    for start in range(0, len(targets), batch):
        chosen = slice(start, start + batch)
        seen.add(Thoughts(thoughts.logits[chosen], thoughts.certainty[chosen], None), targets[chosen])
    return seen


@pytest.mark.parametrize("answer", [(), (4,), (2, 3)])
def test_batches_add_up_to_the_naive_computation(think, answer):
    thoughts = think(batch=11, ticks=5, answer=answer)
    targets = torch.randint(6, (11, *answer), generator=torch.Generator().manual_seed(1))
    seen = collect(thoughts, targets, batch=4)
    for rule in WAYS:
        naive = [
            (thoughts.answers(rule)[:, tick].argmax(-1) == targets).float().mean() for tick in range(thoughts.ticks)
        ]
        torch.testing.assert_close(seen.accuracy(rule), torch.stack(naive))
    torch.testing.assert_close(seen.certainty, thoughts.certainty)


def test_any_of_the_likeliest_may_be_right(think):
    thoughts = think(batch=8, classes=6)
    targets = thoughts.logits[:, -1].topk(2).indices[:, 1]  # always the second guess of the last tick
    assert collect(thoughts, targets, batch=8).accuracy()[-1] == 0
    assert collect(thoughts, targets, batch=8, top=2).accuracy()[-1] == 1


def test_sure_counts_samples_above_the_threshold_and_those_of_them_right():
    logits = torch.tensor([[[9.0, 0.0]], [[0.0, 9.0]], [[0.1, 0.0]], [[9.0, 0.0]]])  # (4, 1, 2)
    seen = OverTicks()
    certainty = torch.tensor([[0.95], [0.95], [0.1], [0.8]])
    seen.add(Thoughts(logits, certainty, None), torch.zeros(4, dtype=torch.long))
    sure, right = seen.sure(0.8)
    assert sure.tolist() == [0.75]
    assert right.tolist() == [0.5]


@pytest.mark.parametrize("ticks", [1, 6])
def test_pictures_have_a_line_for_every_way_and_threshold(think, ticks):
    seen = collect(think(batch=5, ticks=ticks), torch.zeros(5, dtype=torch.long), batch=5)
    (axes,) = accuracy_over_ticks(seen).axes
    assert [line.get_label() for line in axes.lines] == list(WAYS.values())
    assert axes.lines[0].get_xdata().tolist() == list(range(1, ticks + 1))
    spread, sure = certainty_over_ticks(seen).axes
    assert len(spread.lines) == 2
    assert len(sure.lines) == len(THRESHOLDS)
