import math

import pytest
import torch

from ctm.analysis.over_ticks import SURE, THRESHOLDS, WAYS, OverTicks, accuracy_over_ticks, certainty_over_ticks
from ctm.thoughts import Thoughts


def collect(thoughts, targets, batch):
    seen = OverTicks()
    for start in range(0, len(targets), batch):
        chosen = slice(start, start + batch)
        seen.add(Thoughts(thoughts.logits[chosen], thoughts.certainty[chosen], None), targets[chosen])
    return seen


def drawn(think, answer=(), **sizes):
    """Thoughts and targets, and what is collected of them in batches."""
    thoughts = think(batch=11, ticks=5, answer=answer, **sizes)
    targets = torch.randint(6, (11, *answer), generator=torch.Generator().manual_seed(1))
    return thoughts, targets, collect(thoughts, targets, batch=4)


@pytest.mark.parametrize("answer", [(), (4,), (2, 3)])
def test_batches_add_up_to_the_naive_computation(think, answer):
    thoughts, targets, seen = drawn(think, answer)
    assert (seen.samples, seen.ticks, seen.tops) == (11, 5, (1, 5))
    for rule in WAYS:
        for top in seen.tops:
            likeliest = thoughts.answers(rule).topk(top).indices  # (N, T, *answer, top)
            naive = [
                (likeliest[:, tick] == targets.unsqueeze(-1)).any(-1).float().mean() for tick in range(thoughts.ticks)
            ]
            torch.testing.assert_close(seen.accuracy(rule, top), torch.stack(naive))
    torch.testing.assert_close(seen.certainty(), thoughts.certainty.mean(0))
    right = (thoughts.logits.argmax(-1) == targets[:, None]).float().view(11, 5, -1).mean(-1)  # (N, T)
    for threshold in THRESHOLDS:
        sure, sure_and_right = seen.sure(threshold)
        torch.testing.assert_close(sure, (thoughts.certainty >= threshold).float().mean(0))
        torch.testing.assert_close(sure_and_right, ((thoughts.certainty >= threshold) * right).mean(0))
    share, accuracy = seen.most_certain()
    best = thoughts.certainty.argmax(1)  # (N,)
    for tick in range(5):
        assert share[tick] == pytest.approx(float((best == tick).float().mean()))
        if (best == tick).any():
            assert accuracy[tick] == pytest.approx(float(right[best == tick, tick].mean()))
        else:
            assert accuracy[tick].isnan()


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.75, 1.0])
def test_quantiles_of_certainty_are_right_to_a_thousandth(think, share):
    thoughts, _, seen = drawn(think)
    known = thoughts.certainty.sort(0).values[math.ceil(share * 11) - 1]  # (T,)
    torch.testing.assert_close(seen.certainty_quantile(share), known, atol=1e-3, rtol=0)


def test_who_becomes_sure_at_which_tick_for_the_first_time(think):
    thoughts, targets, _ = drawn(think)
    thoughts = thoughts._replace(certainty=torch.rand(11, 5, generator=torch.Generator().manual_seed(3)))
    seen = collect(thoughts, targets, batch=4)
    naive = torch.zeros(5, 6, dtype=torch.float64)
    for sample, target in enumerate(targets.tolist()):
        for tick in range(5):
            if thoughts.certainty[sample, tick] >= SURE:
                naive[tick, target] += 1
                break
    assert 0 < naive.sum() < 11
    torch.testing.assert_close(seen.first_sure(), naive)


def test_calibration_is_that_of_probabilities_averaged_over_the_ticks_so_far(think):
    thoughts, targets, seen = drawn(think)
    probability = thoughts.logits.softmax(-1)
    for rule in WAYS:
        answers = thoughts.answers(rule).argmax(-1)  # (N, T)
        for sample in range(11):
            for tick in range(5):
                given = answers[sample, tick]
                mean = probability[sample, : tick + 1, given].mean()
                assert seen.calibration[rule].confidence[sample, tick] == pytest.approx(float(mean))
        assert torch.equal(seen.calibration[rule].right, answers == targets[:, None])
    torch.testing.assert_close(seen.own_calibration.confidence, probability.amax(-1))
    assert torch.equal(seen.own_calibration.right, probability.argmax(-1) == targets[:, None])


def test_answers_of_several_positions_have_no_calibration(think):
    _, _, seen = drawn(think, answer=(4,))
    assert seen.calibration["last"].ticks == seen.own_calibration.ticks == 0


def test_what_is_kept_does_not_grow_with_the_samples(think):
    thoughts = think(batch=64, ticks=5, answer=(3,))
    once, often = (collect(thoughts, torch.zeros(64, 3, dtype=torch.long), batch) for batch in (64, 1))
    sizes = [{name: total.numel() for name, total in seen._totals.items()} for seen in (once, often)]
    assert sizes[0] == sizes[1]


def test_any_of_the_five_likeliest_may_be_right(think):
    thoughts = think(batch=8, classes=6)
    for place, accuracy in ((1, 1.0), (5, 0.0)):  # always the second guess of the last tick, or the sixth
        seen = collect(thoughts, thoughts.logits[:, -1].topk(6).indices[:, place], batch=8)
        assert seen.accuracy()[-1] == 0
        assert seen.accuracy(top=5)[-1] == accuracy
    assert collect(think(classes=5), torch.zeros(3, dtype=torch.long), batch=2).tops == (1,)


def test_sure_counts_samples_at_the_threshold_and_those_of_them_right():
    logits = torch.tensor([[[9.0, 0.0]], [[0.0, 9.0]], [[0.1, 0.0]], [[9.0, 0.0]]])  # (4, 1, 2)
    seen = OverTicks()
    certainty = torch.tensor([[0.95], [0.95], [0.1], [0.8]])
    seen.add(Thoughts(logits, certainty, None), torch.zeros(4, dtype=torch.long))
    sure, right = seen.sure(0.8)
    assert sure.tolist() == [0.75]
    assert right.tolist() == [0.5]


@pytest.mark.parametrize(("ticks", "classes"), [(1, 6), (6, 3)])
def test_pictures_have_a_line_for_every_way_and_threshold(think, ticks, classes):
    seen = collect(think(batch=5, ticks=ticks, classes=classes), torch.zeros(5, dtype=torch.long), batch=5)
    panels = accuracy_over_ticks(seen).axes
    assert [axes.get_title("left") for axes in panels] == ["Accuracy", "Top-5 accuracy"][: 2 if classes > 5 else 1]
    for axes, top in zip(panels, seen.tops, strict=True):
        assert [line.get_label() for line in axes.lines] == list(WAYS.values())
        assert axes.lines[0].get_xdata().tolist() == list(range(1, ticks + 1))
        assert axes.lines[2].get_ydata().tolist() == seen.accuracy("mean", top).tolist()
    spread, sure = certainty_over_ticks(seen).axes
    assert len(spread.lines) == 2
    assert len(sure.lines) == len(THRESHOLDS)
