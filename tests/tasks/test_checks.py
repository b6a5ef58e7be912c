"""A task of a user's that returns the wrong thing is told so before the first step is done."""

import pytest
import torch

from ctm.tasks import Batch
from ctm.tasks.parity import Parity
from ctm.training import Run, TaskError, train
from training.experiments import parity

LOSS, SCORES = Parity.loss, Parity.scores


def scores(**changes):
    return lambda self, thoughts, targets: SCORES(self, thoughts, targets) | changes


def nothing(self, split, size):
    return iter([Batch(torch.ones(0, 5), torch.zeros(0, 5))])


@pytest.mark.parametrize(
    ("method", "wrong", "message"),
    [
        (
            "loss",
            lambda *_: torch.ones(4),
            r"loss returned a tensor \(4,\) of float32; expected a floating tensor \(\)",
        ),
        ("loss", lambda *_: torch.tensor(1), r"loss returned a tensor \(\) of int64; expected a floating tensor \(\)"),
        ("loss", lambda *_: 0.5, r"loss returned 0\.5; expected a floating tensor \(\)"),
        ("loss", lambda *_: torch.tensor(0.5), "loss returned a tensor without a gradient; expected one computed from"),
        ("scores", lambda *_: 0.5, r"scores returned 0\.5; expected a dictionary"),
        ("scores", scores(mine=0.5), r"scores returned 0\.5 as 'mine'; expected a tensor \(20,\) or \(20, T\)"),
        ("scores", scores(mine=torch.tensor(1.0)), r"scores returned a tensor \(\) of float32 as 'mine'; expected"),
        ("scores", scores(mine=torch.ones(3)), r"scores returned a tensor \(3,\) of float32 as 'mine'; expected"),
        ("scores", scores(mine=torch.ones(20, 1, 1)), r"scores returned a tensor \(20, 1, 1\) .* as 'mine'; expected"),
        (
            "primary_metric",
            "solved",
            r"scores has no 'solved' of shape \(B,\), but accuracy, .*; expected the task's primary_metric",
        ),
        ("primary_metric", "accuracy_by_tick", "scores has no 'accuracy_by_tick' of shape"),
        ("evaluation", lambda *_: iter(()), r"evaluation\('train'\) has no samples; expected at least one"),
        ("evaluation", nothing, r"evaluation\('train'\) returned 0 samples; expected at least one"),
        ("batch", lambda *_: Batch(torch.ones(0, 5), torch.ones(0, 5)), "batch returned 0 samples; expected the 8"),
        ("batch", lambda *_: Batch(torch.ones(7, 5), torch.ones(7, 5)), "batch returned 7 samples; expected the 8"),
        ("batch", lambda *_: Batch(torch.ones(8, 5), torch.ones(7, 5)), "batch returned tensors of 7 and 8 samples;"),
        ("batch", lambda *_: torch.ones(8, 5), r"batch returned a tensor \(8, 5\) of float32; expected inputs and"),
        ("batch", lambda *_: None, "batch returned None; expected inputs and targets"),
    ],
)
def test_what_a_task_returns_is_checked(tmp_path, monkeypatch, method, wrong, message):
    monkeypatch.setattr(Parity, method, wrong)
    run = Run.create(tmp_path / "run", parity())
    with pytest.raises(TaskError, match=f"^Parity.{message}"):
        train(run, quiet=True)
    assert max((line["iteration"] for line in run.metrics()), default=0) == 0
