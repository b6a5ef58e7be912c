import pytest
import torch

import ctm
from ctm import DataError
from ctm.losses import cross_entropy_over_ticks, two_tick_loss
from ctm.tasks import TaskConfig
from ctm.tasks.images import Images
from ctm.tasks.images.known import DIGITS
from ctm.tasks.parity import Parity
from ctm.thoughts import Thoughts

LOGITS = torch.zeros(2, 3, 2, 4)  # two samples, three ticks, two positions, four classes
LOGITS[0, 0, 0, 1] = LOGITS[0, 0, 1, 2] = 1  # answers 1 2, then 1 0, then 3 0
LOGITS[0, 1, 0, 1] = LOGITS[0, 2, 0, 3] = 1
LOGITS[1, :, :, 3] = 1  # 3 3 at all ticks
CERTAINTY = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.3, 0.2]])
TARGETS = torch.tensor([[1, 2], [3, 0]])


def test_scores_of_an_answer_of_several_positions():
    scores = Parity.Config().build().scores(Thoughts(LOGITS, CERTAINTY, None), TARGETS)
    expected = {
        "accuracy": [1.0, 0.5],
        "accuracy_last": [0.0, 0.5],
        "accuracy_by_tick": [[1.0, 0.5, 0.0], [0.5, 0.5, 0.5]],
        "whole_accuracy": [1.0, 0.0],
        "whole_accuracy_by_tick": [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
        "certainty_by_tick": CERTAINTY.tolist(),
    }
    assert {name: scores[name].tolist() for name in expected} == expected
    assert scores.keys() - expected.keys() == {"accuracy_by_position"}  # which only this task has


def test_scores_of_a_single_label():
    thoughts = Thoughts(LOGITS[:, :, 0], CERTAINTY, None)
    scores = DIGITS.build().scores(thoughts, TARGETS[:, 0])
    assert scores.keys() == {"accuracy", "accuracy_last", "accuracy_by_tick", "certainty_by_tick"}
    assert scores["accuracy"].tolist() == [1.0, 1.0]
    assert scores["accuracy_last"].tolist() == [0.0, 1.0]
    assert scores["accuracy_by_tick"].tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]


def test_accuracy_is_that_of_the_answer_given():
    logits, certainty = torch.randn(50, 6, 3, 4), torch.rand(50, 6).round(decimals=1)
    targets = torch.randint(4, (50, 3))
    thoughts = Thoughts(logits, certainty, None)
    right = (thoughts.at("most_certain").argmax(-1) == targets).float()
    scores = Parity.Config().build().scores(thoughts, targets)
    torch.testing.assert_close(scores["accuracy"], right.mean(-1))
    torch.testing.assert_close(scores["whole_accuracy"], right.prod(-1))


@pytest.mark.parametrize("second", ["most_certain", "last"])
def test_the_loss_is_the_configured_one(second):
    thoughts = Thoughts(torch.randn(5, 6, 4, 2), torch.rand(5, 6), None)
    targets = torch.randint(2, (5, 4))
    loss = Parity.Config(length=4, loss=ctm.TwoTickLoss(second)).build().loss(thoughts, targets)
    losses = cross_entropy_over_ticks(thoughts.logits, targets)
    assert torch.equal(loss, two_tick_loss(losses, thoughts.certainty, second))
    other = two_tick_loss(losses, thoughts.certainty, "last" if second == "most_certain" else "most_certain")
    assert not torch.equal(loss, other)


def test_kinds_and_headlines():
    assert TaskConfig.from_dict({"kind": "parity", "length": 3}) == Parity.Config(length=3)
    assert TaskConfig.from_dict({"kind": "images", "data": "digits"}) == Images.Config(data="digits")
    assert (Parity.primary_metric, Images.primary_metric) == ("whole_accuracy", "accuracy")


def test_a_task_without_words_takes_no_text():
    with pytest.raises(DataError, match="this task takes no text; give a file"):
        DIGITS.build().parse("3")


def test_the_answer_and_its_comment_are_of_the_most_certain_tick():
    task, thoughts = Parity.Config(length=2).build(), Thoughts(LOGITS[:1], CERTAINTY[:1], None)
    assert task.answer(thoughts).tolist() == [[1, 2]]
    assert task.comment(thoughts, torch.ones(1, 2)) == "most certain at tick 1 of 3: 0.900"
    assert not list(task.evaluation_figures(ctm.build("parity/quick")))
