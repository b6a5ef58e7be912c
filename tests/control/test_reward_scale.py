import torch

from ctm.control.reward_scale import RewardScale


def test_rewards_are_divided_by_the_deviation_of_all_discounted_returns():
    source = torch.Generator().manual_seed(0)
    scale, discount = RewardScale(3, 0.9), 0.9
    running, seen = [0.0] * 3, []
    for _ in range(40):
        rewards = torch.randn(3, generator=source) * 5 + 2
        ended = torch.rand(3, generator=source) < 0.2
        counts = torch.rand(3, generator=source) < 0.8
        rewards = torch.where(counts, rewards, 0)
        found = scale(rewards, ended, counts)
        for row in range(3):
            running[row] = running[row] * discount + rewards[row].item()
            if counts[row]:
                seen.append(running[row])
            if ended[row]:
                running[row] = 0.0
        mean = sum(seen) / (len(seen) + 1)
        variance = (1 + mean**2 + sum((value - mean) ** 2 for value in seen)) / (len(seen) + 1)  # with one of 0 +- 1
        torch.testing.assert_close(found, rewards / variance**0.5)


def test_returns_do_not_go_on_over_the_end_of_an_episode():
    scale = RewardScale(2, 1.0)
    ones = torch.ones(2, dtype=torch.bool)
    scale(torch.tensor([1.0, 1.0]), torch.tensor([True, False]), ones)
    scale(torch.tensor([1.0, 1.0]), ~ones, ones)
    assert scale.returns.tolist() == [1.0, 2.0]
