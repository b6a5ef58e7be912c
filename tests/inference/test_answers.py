import pytest
import torch

from ctm.certainty import certainty
from ctm.inference.answers import RunningAnswer
from ctm.thoughts import RULES, Thoughts


@pytest.mark.parametrize("answer", [(), (3, 2)])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_tick_by_tick(rule, answer):
    logits = 3 * torch.randn(5, 8, *answer, 4, generator=torch.Generator().manual_seed(0))
    sure = certainty(logits, len(answer))
    threshold = float(sure.median())
    expected = Thoughts(logits, sure, None).answers(rule, threshold)
    running = RunningAnswer.start(5, (*answer, 4), like=logits)
    for tick in range(8):
        running = running.add(logits[:, tick], sure[:, tick], rule, threshold)
        torch.testing.assert_close(running.answers, expected[:, tick])
        torch.testing.assert_close(running.highest, sure[:, : tick + 1].amax(1))
