import sys

import pytest
import torch

from ctm.training import TaskError
from ctm.training.one_pass import activity, one_pass
from training.experiments import parity


@pytest.fixture(name="learned")
def _learned():
    experiment = parity()
    torch.manual_seed(0)
    return experiment.model.build().eval(), experiment.task.build()


def test_every_sample_is_thought_about_once_in_order(learned, monkeypatch):
    model, task = learned
    passes = []
    monkeypatch.setattr(model, "forward", lambda x, forward=model.forward: passes.append(len(x)) or forward(x))
    found = list(one_pass(model, task, "test", 7))
    assert passes == [7, 7, 6]
    inputs, targets = next(iter(task.evaluation("test", 20)))
    assert torch.equal(torch.cat([targets for _, targets in found]), targets)
    with torch.no_grad():
        torch.testing.assert_close(torch.cat([thoughts.logits for thoughts, _ in found]), model(inputs).logits)
    assert not any(thoughts.logits.requires_grad for thoughts, _ in found)


def test_gradients_are_as_before_between_batches(learned):
    assert all(torch.is_grad_enabled() for _ in one_pass(*learned, "test", 7))


def test_a_split_without_samples(learned, monkeypatch):
    model, task = learned
    monkeypatch.setattr(task, "evaluation", lambda split, size: iter(()))
    with pytest.raises(TaskError, match=r"Parity.evaluation\('test'\) has no samples"):
        list(one_pass(model, task))


@pytest.mark.parametrize(("terminal", "quiet"), [(True, False), (True, True), (False, False)])
def test_a_bar_for_people(learned, terminal, quiet, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    list(one_pass(*learned, title="counting", quiet=quiet))
    shown = capsys.readouterr().err
    assert ("counting: 20 samples" in shown) == (terminal and not quiet)


@pytest.mark.parametrize("samples", [5, 8, 99])
def test_activity_of_the_first_samples(learned, samples):
    model, task = learned
    found = activity(model, task, samples, batch_size=4)
    with torch.no_grad():
        known = model(next(iter(task.evaluation("test", 20))).inputs, record=True).record.post_activations
    torch.testing.assert_close(found, known[:samples])


def test_activity_of_as_many_ticks_as_the_first_sample_has(learned, monkeypatch):
    """Questions of other lengths take other numbers of ticks."""
    model, task = learned
    batches = list(task.evaluation("test", 5))
    longer = iter([4, 4, 6])
    monkeypatch.setattr(task, "evaluation", lambda split, size: iter(batches))
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda x, **options: forward(x, ticks=next(longer), **options))
    assert activity(model, task, 20).shape == (10, 4, 16)
