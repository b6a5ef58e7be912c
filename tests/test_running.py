import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.running import RunningNorm, with_more


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 2**31))
def test_statistics_little_by_little_are_those_of_everything(sizes, seed):
    source = torch.Generator().manual_seed(seed)
    parts = [torch.randn(size, 3, generator=source, dtype=torch.float64) * 4 + 7 for size in sizes]
    statistics = torch.zeros(3, 3, dtype=torch.float64)
    for part in parts:
        statistics = with_more(statistics, part)
    everything = torch.cat(parts)
    count, mean, variance = statistics
    assert (count == len(everything)).all()
    torch.testing.assert_close(mean, everything.mean(0))
    torch.testing.assert_close(variance, everything.var(0, unbiased=False))


def test_inputs_come_to_mean_0_and_deviation_1():
    norm, x = RunningNorm(2), torch.randn(10_000, 2) * torch.tensor([3.0, 0.1]) + torch.tensor([5.0, -1.0])
    assert torch.allclose(norm(x), x.clamp(-10, 10))  # nothing has been taken in
    norm.take_in(x)
    torch.testing.assert_close(norm(x).mean(0), torch.zeros(2), atol=1e-2, rtol=0)
    torch.testing.assert_close(norm(x).std(0), torch.ones(2), atol=1e-2, rtol=0)
    assert norm(x).dtype == torch.float32
    assert norm(torch.tensor([[1e9, -1e9]])).tolist() == [[10.0, -10.0]]


def test_statistics_are_saved_like_weights():
    norm, other = RunningNorm(2), RunningNorm(2)
    norm.take_in(torch.randn(5, 2))
    other.load_state_dict(norm.state_dict())
    assert torch.equal(norm.statistics, other.statistics)
