import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.losses import _unlikelihood, cross_entropy_over_ticks, ctc_over_ticks, two_tick_loss


def listing_4(losses, certainty, second):
    """One sample after the other, with the least loss that the text asks for."""
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


def collapsed(path, blank):
    """What a path of classes emits: repetitions once, no blanks."""
    return [symbol for symbol, _ in itertools.groupby(path) if symbol != blank]


@given(
    ticks=st.integers(1, 5),
    targets=st.lists(st.lists(st.integers(0, 1), min_size=2, max_size=2), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_ctc_sums_over_all_paths(ticks, targets, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(len(targets), ticks, 3, generator=generator, dtype=torch.float64)
    probability = logits.softmax(-1)
    losses = []
    for sample, target in enumerate(targets):
        paths = itertools.product(range(3), repeat=ticks)
        fitting = [path for path in paths if collapsed(path, 2) == target]
        total = sum(math.prod(float(probability[sample, t, c]) for t, c in enumerate(path)) for path in fitting)
        losses.append(-math.log(total) / len(target) if total else math.inf)
    assert float(ctc_over_ticks(logits, torch.tensor(targets))) == pytest.approx(sum(losses) / len(losses))


def test_ctc_of_half_precision_is_computed_in_single():
    logits = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    loss = ctc_over_ticks(logits, torch.tensor([[0, 1], [2, 2]]))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ctc_over_ticks(logits.float(), torch.tensor([[0, 1], [2, 2]])))
    loss.backward()
    assert logits.grad.isfinite().all()


@given(ticks=st.integers(1, 12), length=st.integers(1, 5), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_the_recursion_of_devices_is_that_of_pytorch(ticks, length, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(ticks, batch, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(3, (batch, length), generator=generator)
    found, known = (logits.log_softmax(-1).requires_grad_() for _ in range(2))
    ours = _unlikelihood(found, targets)
    theirs = torch.nn.functional.ctc_loss(known, targets, [ticks] * batch, [length] * batch, 3, reduction="none")
    torch.testing.assert_close(ours, theirs)
    possible = theirs.isfinite()
    ours[possible].sum().backward()
    theirs[possible].sum().backward()
    centred = (found.grad - found.softmax(-1) * found.grad.sum(-1, keepdim=True), known.grad)
    torch.testing.assert_close(centred[0][:, possible], centred[1][:, possible])


def test_on_a_device_the_loss_waits_for_no_number():
    """The meta device has none to wait for."""
    logits = torch.randn(2, 9, 5, device="meta", requires_grad=True)
    loss = ctc_over_ticks(logits, torch.zeros(2, 4, dtype=torch.long, device="meta"))
    loss.backward()
    assert loss.shape == ()
    assert logits.grad.shape == logits.shape
