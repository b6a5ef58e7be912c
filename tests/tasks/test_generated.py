import torch

from ctm.tasks.base import Batch
from ctm.tasks.generated import GeneratedTask
from ctm.tasks.parity import Parity
from ctm.tasks.sort import Sort


class Uniform(GeneratedTask):
    """Draws numbers whose answer is themselves."""

    format_answer = animate = figures = None

    def draw(self, size, source):
        numbers = torch.rand(size, generator=source)
        return Batch(numbers, numbers)


def evaluated(task, split, size=4):
    return torch.cat([batch.inputs for batch in task.evaluation(split, size)])


def test_evaluation_is_the_same_every_time_and_of_its_own():
    task = Uniform(Parity.Config(evaluation_samples=10))
    assert [len(batch.inputs) for batch in task.evaluation("test", 4)] == [4, 4, 2]
    assert torch.equal(evaluated(task, "test"), evaluated(task, "test", 3))
    drawn = [
        evaluated(task, "test"),
        evaluated(task, "train"),
        task.batch(0, 0, 10).inputs,
        task.batch(0, 1, 10).inputs,
        task.batch(1, 0, 10).inputs,
    ]
    assert len(torch.cat(drawn).unique()) == 50


def test_tasks_of_different_kinds_draw_differently():
    one, other = (Uniform(config(evaluation_samples=10)) for config in (Parity.Config, Sort.Config))
    assert not torch.equal(evaluated(one, "test"), evaluated(other, "test"))
