import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.losses.ctc import _unlikelihood, ctc_over_ticks


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
