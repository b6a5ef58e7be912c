import torch

from control.agents import cartpole, machine
from ctm.control.agent import Agent
from ctm.control.reward_scale import RewardScale
from ctm.control.rollouts import RolloutCollector
from ctm.control.unrolled import UnrolledAgent
from ctm.randomness import generator


def rollouts(count=3, time_limit=5, scale=None):
    torch.manual_seed(0)
    agent = Agent(machine().build().eval())
    return RolloutCollector(agent, cartpole(time_limit=time_limit).task.build().environments(count), scale)


def test_a_rollout_is_what_the_agent_saw_did_and_expected():
    life = rollouts()
    life.restart(3)
    first, second = (life.collect(4, generator(number)) for number in range(2))
    for rollout in (first, second):
        with torch.no_grad():
            numbers, values = UnrolledAgent(life.agent)(rollout.observations, rollout.started, rollout.state)
        policy = life.agent.policy(numbers)
        torch.testing.assert_close(policy.log_prob(rollout.actions), rollout.log_probabilities)
        torch.testing.assert_close(values, rollout.values[:-1])
    torch.testing.assert_close(first.values[-1], second.values[0])  # the weights have not changed meanwhile


def test_episodes_of_five_steps_begin_and_end_where_they_should():
    """Five actions, then the last observation, whose action does not count, then the first one of the next episode."""
    life = rollouts(time_limit=5)
    life.restart(3)
    rollout = life.collect(13, generator(0))
    first = torch.tensor([step % 6 == 0 for step in range(13)])
    assert (rollout.started == first.unsqueeze(1)).all()
    last = torch.tensor([step % 6 == 5 for step in range(13)])
    assert (rollout.counts == ~last.unsqueeze(1)).all()
    assert (rollout.truncated == torch.tensor([step % 6 == 4 for step in range(13)]).unsqueeze(1)).all()
    assert not rollout.terminated.any()
    assert (rollout.rewards == rollout.counts).all()
    assert (rollout.observations[..., [1, 3]] == 0).all()


def test_rewards_are_scaled_and_returns_are_not():
    life = rollouts(time_limit=5, scale=RewardScale(3, 0.9))
    life.restart(3)
    rollout = life.collect(12, generator(0))
    assert not (rollout.rewards == rollout.counts).all()
    assert life.episodes().returns.tolist() == [5.0] * 6


def test_a_restart_begins_all_episodes_anew():
    life = rollouts(time_limit=50)
    life.restart(3)
    life.collect(3, generator(0))
    life.restart(4)
    assert life.collect(1, generator(1)).started.all()
