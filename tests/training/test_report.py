import torch

from ctm.analysis.halting import HaltingCurve
from ctm.training.report import _over_ticks
from training.experiments import parity


def test_what_is_drawn_of_a_whole_split_comes_from_one_pass(monkeypatch):
    experiment = parity()
    torch.manual_seed(0)
    model, task = experiment.model.build().eval(), experiment.task.build()
    seen = []
    model.register_forward_pre_hook(lambda model, inputs: seen.append(len(inputs[0])))
    timed = HaltingCurve("accuracy", (0.5,), [0.5], [2.0], [9.0], (0.5, 4.0, 9.0))  # some samples, again and again
    monkeypatch.setattr("ctm.training.report.halting_curve", lambda model, found, batch: timed)
    assert _over_ticks(model, task, 8, quiet=True).keys() == {"accuracy", "certainty", "when-certain", "halting"}
    assert seen == [8, 8, 4]
