import torch
from hypothesis import given
from hypothesis import strategies as st

import ctm
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


def test_the_histories_of_all_ticks_share_a_buffer_though_samples_come_and_go():
    """As in a plain pass: no tick copies what the neurons remember, until the room for all ticks is used up."""
    config = ctm.preset("digits").model
    model = config.build().eval()
    pool = Pool(model, [torch.randn(config.ticks + 4, 1, 8, 8)], size=4, rule="last", threshold=0.8)
    places = set()
    for tick in range(config.ticks):
        pool.tick()
        places.add(pool.active.state.core.history.untyped_storage().data_ptr())
        pool.replace(torch.tensor([tick % 4]))
    assert len(places) == 1


def test_what_depends_on_weights_alone_is_prepared_once(monkeypatch):
    model = ctm.build("digits").eval()
    prepared, prepare = [], model.prepare_weights
    monkeypatch.setattr(model, "prepare_weights", lambda ticks=0: prepared.append(ticks) or prepare(ticks))
    list(ctm.think_stream(model, torch.randn(6, 2, 1, 8, 8), until=1e-9, batch=2))
    assert len(prepared) == 1
