import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ctm.losses.two_tick import cross_entropy_over_ticks, curriculum_over_ticks, two_tick_loss


def listing_4(losses, certainty, second):
    """One sample after the other, with the least loss that the text uses_query for."""
    total = 0.0
    for losses_of_one, certainty_of_one in zip(losses.tolist(), certainty.tolist(), strict=True):
        first = losses_of_one.index(min(losses_of_one))
        chosen = len(losses_of_one) - 1 if second == "last" else certainty_of_one.index(max(certainty_of_one))
        total += (losses_of_one[first] + losses_of_one[chosen]) / 2
    return total / len(losses)


@pytest.mark.parametrize("second", ["most_certain", "last"])
@given(batch=st.integers(1, 4), ticks=st.integers(1, 6), seed=st.integers(0, 99), ties=st.booleans())
def test_two_tick_loss_is_listing_4(second, batch, ticks, seed, ties):
    generator = torch.Generator().manual_seed(seed)
    losses = torch.rand(batch, ticks, generator=generator, dtype=torch.float64)
    certainty = torch.rand(batch, ticks, generator=generator, dtype=torch.float64)
    if ties:
        certainty = certainty.round()
    loss = two_tick_loss(losses, certainty, second)
    assert float(loss) == pytest.approx(listing_4(losses, certainty, second), abs=1e-12)


def test_by_default_the_second_tick_is_the_most_certain():
    losses, certainty = torch.tensor([[4.0, 1.0, 3.0, 2.0]]), torch.tensor([[0.1, 0.2, 0.9, 0.3]])
    assert two_tick_loss(losses, certainty).item() == (1 + 3) / 2
    assert two_tick_loss(losses, certainty, "last").item() == (1 + 2) / 2


def test_gradients_reach_only_the_two_ticks():
    losses = torch.tensor([[4.0, 1.0, 3.0], [1.0, 2.0, 3.0]], requires_grad=True)
    certainty = torch.tensor([[0.1, 0.2, 0.9], [0.9, 0.2, 0.1]], requires_grad=True)
    two_tick_loss(losses, certainty).backward()
    assert losses.grad.tolist() == [[0, 0.25, 0.25], [0.5, 0, 0]]
    assert certainty.grad is None


@given(answer=st.sampled_from([(), (3,), (2, 2)]), ticks=st.integers(1, 4), seed=st.integers(0, 99))
def test_cross_entropy_is_averaged_over_positions(answer, ticks, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, ticks, *answer, 5, generator=generator, dtype=torch.float64)
    targets = torch.randint(5, (2, *answer), generator=generator)
    losses = cross_entropy_over_ticks(logits, targets)
    assert losses.shape == (2, ticks)
    for sample in range(2):
        wanted = targets[sample].flatten().tolist()
        for tick in range(ticks):
            rows = logits[sample, tick].view(-1, 5).tolist()
            naive = [math.log(sum(map(math.exp, row))) - row[w] for row, w in zip(rows, wanted, strict=True)]
            assert float(losses[sample, tick]) == pytest.approx(sum(naive) / len(naive), abs=1e-9)


def test_no_idea_costs_log_of_the_classes():
    losses = cross_entropy_over_ticks(torch.zeros(2, 3, 4, 10), torch.zeros(2, 4, dtype=torch.long))
    torch.testing.assert_close(losses, torch.full((2, 3), math.log(10)))


def test_half_precision_is_computed_in_full():
    logits, targets = torch.randn(2, 3, 10).bfloat16(), torch.tensor([1, 2])
    losses = cross_entropy_over_ticks(logits, targets)
    assert losses.dtype == torch.float32
    assert torch.equal(losses, cross_entropy_over_ticks(logits.float(), targets))


def literal_curriculum(logits, targets, lookahead, curriculum):
    """One sample and tick after the other: the longest right beginning of any tick, and a little further."""
    batch, ticks, length, _ = logits.shape
    losses = torch.zeros(batch, ticks)
    for sample in range(batch):
        beginnings = []
        for tick in range(ticks):
            right = (logits[sample, tick].argmax(-1) == targets[sample]).tolist()
            beginnings.append(right.index(False) if False in right else length)
        known = max(beginnings)
        until = (known if curriculum == "as_written" else max(known - 1, 0)) + lookahead
        for tick in range(ticks):
            losses[sample, tick] = F.cross_entropy(logits[sample, tick, :until], targets[sample, :until])
    return losses


@pytest.mark.parametrize("curriculum", ["as_written", "as_trained"])
@given(
    batch=st.integers(1, 4),
    ticks=st.integers(1, 4),
    length=st.integers(1, 12),
    lookahead=st.integers(1, 14),
    classes=st.integers(2, 5),
    easy=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_curriculum_is_the_loop_over_samples_and_ticks(
    curriculum, batch, ticks, length, lookahead, classes, easy, seed
):
    source = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, ticks, length, classes, generator=source)
    targets = torch.randint(classes, (batch, length), generator=source)
    if easy:
        logits += 2 * F.one_hot(targets, classes).unsqueeze(1)
    ours, loop = (logits.clone().requires_grad_() for _ in range(2))
    found = curriculum_over_ticks(ours, targets, lookahead, curriculum)
    expected = literal_curriculum(loop, targets, lookahead, curriculum)
    torch.testing.assert_close(found, expected)
    for losses in (found, expected):
        losses.square().sum().backward()
    torch.testing.assert_close(ours.grad, loop.grad)


@pytest.mark.parametrize(
    ("beginnings", "as_trained", "as_written"),
    [((0,), 5, 5), ((1,), 5, 6), ((2,), 6, 7), ((3, 1), 7, 8), ((10, 16), 20, 21), ((30,), 30, 30)],
)
def test_how_many_positions_the_curriculum_counts(beginnings, as_trained, as_written):
    """The numbers of the authors' code, and of the paper's text."""
    right = torch.arange(30) < torch.tensor(beginnings).unsqueeze(1)  # (T, 30)
    for curriculum, positions in (("as_trained", as_trained), ("as_written", as_written)):
        logits = F.one_hot((~right).long(), 5).float().unsqueeze(0).requires_grad_()
        targets = torch.zeros(1, 30, dtype=torch.long)
        curriculum_over_ticks(logits, targets, curriculum=curriculum).sum().backward()
        counted = (logits.grad != 0).any(-1)[0]  # (T, 30)
        assert (counted == (torch.arange(30) < positions)).all()
