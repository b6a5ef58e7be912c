"""What is wrong with a task is said in words."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

import ctm
from ctm.tasks.parity import Parity
from ctm.testing import check_task
from ctm.training import TaskError


class Signs(ctm.GeneratedTask):
    """A good task; tests spoil it."""

    @dataclass(frozen=True)
    class Config(ctm.GeneratedTaskConfig, kind="signs_to_check"):
        @property
        def answer_shape(self):
            return (2,)

        def build(self):
            return Signs(self)

    def draw(self, size, source):
        numbers = torch.randn(size, 3, generator=source)
        return ctm.Batch(numbers, (numbers[:, 0] > 0).long())


def test_a_good_task_passes():
    assert check_task(Signs.Config()) is None
    assert check_task(Signs.Config().build()) is None
    assert check_task(Parity.Config(length=3)) is None


def raises(*_):
    raise KeyError("x")


def changed(**parts):
    """Draws as the task does, with some parts of a batch changed."""

    def draw(size, source):
        batch = Signs.draw(None, size, source)
        return batch._replace(**{name: change(getattr(batch, name)) for name, change in parts.items()})

    return draw


def samples(split="train", size=8):
    return iter([Signs.draw(None, size, torch.Generator().manual_seed(len(split)))])


@pytest.mark.parametrize(
    ("method", "spoilt", "message"),
    [
        (
            "draw",
            lambda size, source: Signs.draw(None, size, None),
            r"batch\(seed=0, iteration=0\) is another one when",
        ),
        ("batch", lambda seed, iteration, size: next(samples("a" * seed)), "batch is the same for another iteration"),
        ("batch", lambda seed, iteration, size: next(samples("a" * iteration)), "batch is the same for another seed"),
        ("batch", lambda seed, iteration, size: next(samples(size=3)), "batch returned 3 samples; expected the 8"),
        ("draw", raises, "batch raised KeyError: 'x'; expected no error"),
        ("draw", changed(targets=lambda targets: targets + 1), "batch has targets from 1 to 2; expected 0 to 1, by"),
        ("draw", changed(targets=lambda targets: targets.int()), "batch has targets of torch.int32; expected classes"),
        (
            "draw",
            changed(targets=lambda targets: targets.view(-1, 1)),
            r"batch has targets \(8, 1\); expected .* \(8,\)",
        ),
        ("draw", changed(inputs=lambda numbers: numbers / 0), "batch has numbers that are not finite"),
        ("evaluation", lambda split, size: samples(), r"evaluation\('train'\) and evaluation\('validation'\) have the"),
        ("evaluation", lambda split, size: iter(()), r"evaluation\('train'\) has no samples; expected at least one"),
        ("evaluation", lambda split, size: samples(split, 9), r"evaluation\('train'\) has a batch of 9 samples"),
        ("evaluation", lambda split, size: iter([Signs.draw(None, 8, None)]), ".* has other samples when asked again"),
        (
            "evaluation",
            lambda split, size: iter([next(samples(split))._replace(inputs=torch.ones(8, len(split)).double())]),
            r"evaluation\('train'\) has \[\('float64', 2\), \('int64', 1\)\] and batch \[\('float32', 2\), ",
        ),
        ("loss", lambda thoughts, targets: thoughts.logits, "loss returned a tensor"),
        (
            "loss",
            lambda thoughts, targets: thoughts.logits.sum() / 0,
            "loss is .* for ordinary logits; expected a finite",
        ),
        ("loss", lambda thoughts, targets: 0 * thoughts.logits.sum(), "loss has no gradient; expected one that leads"),
        ("loss", raises, "loss raised KeyError: 'x'"),
        ("scores", lambda thoughts, targets: {}, "scores has no 'accuracy'"),
        ("config", SimpleNamespace(answer_shape=2), r"config\.answer_shape is 2; expected \(\*answer, C\)"),
    ],
)
def test_what_is_wrong_is_named(method, spoilt, message):
    task = Signs.Config().build()
    setattr(task, method, spoilt)
    with pytest.raises(TaskError, match=rf"^Signs\.{message}"):
        check_task(task)


def test_ticks_suffice_for_answers_that_are_emitted():
    check_task(ctm.preset("sort/quick").task)
