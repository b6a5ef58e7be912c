import torch
from hypothesis import given
from hypothesis import strategies as st

from ctm.control.advantages import generalised_advantages


def naive(rewards, values, terminated, truncated, discount, trace_decay, bootstrap):
    """The definition, as a sum over later steps of the same episode: sum of (discount trace_decay)^k delta."""
    steps, count = rewards.shape
    found = torch.zeros(steps, count, dtype=rewards.dtype)
    for row in range(count):
        for step in range(steps):
            weight, total = 1.0, 0.0
            for later in range(step, steps):
                nothing = terminated[later, row] or (truncated[later, row] and not bootstrap)
                following = 0.0 if nothing else values[later + 1, row].item()
                total += weight * (rewards[later, row].item() + discount * following - values[later, row].item())
                weight *= discount * trace_decay
                if terminated[later, row] or truncated[later, row]:
                    break
            found[step, row] = total
    return found


@given(
    st.integers(1, 7),
    st.integers(1, 3),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_advantages_are_those_of_the_definition(steps, count, discount, trace_decay, bootstrap, seed):
    source = torch.Generator().manual_seed(seed)
    rewards = torch.randn(steps, count, generator=source, dtype=torch.float64)
    values = torch.randn(steps + 1, count, generator=source, dtype=torch.float64)
    fate = torch.randint(4, (steps, count), generator=source)
    terminated, truncated = fate == 1, fate == 2
    arguments = rewards, values, terminated, truncated, discount, trace_decay, bootstrap
    torch.testing.assert_close(generalised_advantages(*arguments), naive(*arguments))


def test_with_a_trace_that_never_decays_advantages_are_discounted_returns():
    rewards = torch.tensor([[1.0], [2.0], [4.0]])
    none = torch.zeros(3, 1, dtype=torch.bool)
    values = torch.tensor([[10.0], [20.0], [30.0], [8.0]])
    found = generalised_advantages(rewards, values, none, none, 0.5, 1.0)
    torch.testing.assert_close(found[0], torch.tensor([1 + 1 + 1 + 1 - 10.0]))  # 1 + 2/2 + 4/4 + 8/8 - V


def test_a_truncated_episode_is_worth_what_is_expected_of_its_last_observation():
    rewards, values = torch.tensor([[1.0]]), torch.tensor([[0.0], [7.0]])
    truncated, terminated = torch.tensor([[True]]), torch.tensor([[False]])
    assert generalised_advantages(rewards, values, terminated, truncated, 0.5, 0.9).item() == 4.5
    assert generalised_advantages(rewards, values, terminated, truncated, 0.5, 0.9, bootstrap=False).item() == 1.0
    assert generalised_advantages(rewards, values, truncated, terminated, 0.5, 0.9).item() == 1.0
