import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.inference.pool import Pool, grouped
from machines import inputs_for, machine_configs, perturbed


@given(sizes=st.lists(st.integers(0, 7), max_size=6), size=st.integers(1, 5))
def test_grouping_keeps_samples_and_order(sizes, size):
    samples = torch.arange(sum(sizes))
    groups = list(grouped(samples.split(sizes), size))
    assert torch.equal(torch.cat([samples[:0], *groups]), samples)
    assert all(len(group) == size for group in groups[:-1])
    assert all(1 <= len(group) <= size for group in groups[-1:])


@given(config=machine_configs())
def test_samples_of_different_ages_do_not_disturb_each_other(config):
    """Every other tick the second place gets a new sample; the first one keeps thinking."""
    model, inputs = perturbed(config.build()).eval(), inputs_for(config, 4)
    with torch.no_grad():
        thoughts = model(inputs, ticks=6)
    pool = Pool(model, [inputs], size=2, rule="last", threshold=0.8)
    for tick in range(6):
        if tick in (2, 4):
            pool.replace(torch.tensor([1]))
        pool.tick()
        expected = torch.stack([thoughts.logits[0, tick], thoughts.logits[1 + tick // 2, tick % 2]])
        assert pool.active.state.ticks.tolist() == [tick + 1, tick % 2 + 1]
        assert pool.active.index.tolist() == [0, 1 + tick // 2]
        torch.testing.assert_close(pool.active.answer.answers, expected, rtol=1e-3, atol=1e-4)
    pool.replace(torch.tensor([0]))
    assert pool.active.index.tolist() == [3]
    pool.replace(torch.tensor([0]))
    assert pool.active is None
