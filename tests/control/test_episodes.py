"""Whole episodes: as many as asked for, a fixed share of each environment, an interval, and pictures."""

import os

import gymnasium
import numpy as np
import pytest
import torch

from control.conftest import OneByOne
from ctm import ConfigError
from ctm.control import EnvironmentConfig, bootstrap_interval, play, watch

pytestmark = pytest.mark.usefixtures("registered")


class Agent:
    """Whole numbers of what was seen and of how many steps it has seen of each episode, as an agent with a memory."""

    def __init__(self, choices=3):
        self.choices, self.steps = choices, None

    def __call__(self, observations, started):
        if self.steps is None:
            assert started.all()
            self.steps = torch.zeros(len(observations), dtype=torch.int64)
        self.steps = torch.where(started, 0, self.steps + 1)
        return (observations.flatten(1).sum(1).long() + self.steps) % self.choices


@pytest.mark.parametrize(("count", "episodes"), [(3, 7), (3, 9), (4, 2), (1, 3)])
def test_every_environment_plays_its_share(count, episodes):
    """As one environment after the other, as long as it takes."""
    config, agent = EnvironmentConfig("Dice-v0", {"faces": 4}), Agent()
    found = play(agent, config.build(count), episodes, seed=11)
    expected = []
    for row in range(count):
        share = len(range(row, episodes, count))
        alone, agent = OneByOne(config, 1), Agent()
        observations, started = alone.reset(11 + row), torch.ones(1, dtype=torch.bool)
        while len(alone.episodes) < share:
            observations, _, _, _, started = alone.step(agent(observations, started))
        expected += [(value, length, row) for value, length, _ in alone.episodes]
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected
    assert len(expected) == episodes


def test_short_episodes_are_not_over_represented():
    """Of two kinds of episodes, one is done after a step, the other is cut off after nine."""
    environments = EnvironmentConfig("Dice-v0").build(2)
    step = environments._vector.envs[0].unwrapped.step
    environments._vector.envs[0].unwrapped.step = lambda action: (*step(action)[:2], True, False, {})
    environments._vector.envs[1].unwrapped.throw = lambda: 1
    assert play(Agent(), environments, 10, seed=0).lengths.tolist() == [1] * 5 + [9] * 5


def test_playing_again_gives_the_same():
    environments = EnvironmentConfig("CartPole-v1", time_limit=30).build(3)
    first, again, other = (play(Agent(2), environments, 5, seed) for seed in (3, 3, 4))
    assert all(map(torch.equal, first, again))
    assert not all(map(torch.equal, first, other))
    with pytest.raises(ValueError, match="episodes = 0: expected at least 1"):
        play(Agent(2), environments, 0, seed=0)


def test_an_interval_covers_the_mean_as_often_as_it_says():
    values = torch.randn(200, 30)  # 200 times 30 values whose mean is 0
    for level in (0.5, 0.9):
        intervals = [bootstrap_interval(row, level, resamples=400) for row in values]
        covered = sum(lower <= 0 <= upper for lower, upper in intervals) / len(values)
        assert abs(covered - level) < 0.1


def test_an_interval_is_that_of_its_seed_around_the_mean():
    values = torch.rand(20)
    lower, upper = bootstrap_interval(values, seed=1)
    assert (lower, upper) == bootstrap_interval(values, seed=1)
    assert (lower, upper) != bootstrap_interval(values, seed=2)
    assert values.min() < lower < values.mean() < upper < values.max()
    assert bootstrap_interval(torch.full((3,), 2.0)) == (2, 2)
    for level in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"level = .*: expected 0 < level < 1"):
            bootstrap_interval(values, level)


def test_an_episode_that_is_watched_is_the_one_that_is_played():
    config, seen = EnvironmentConfig("Dice-v0", {"faces": 30}, mask=(0,)), []
    agent = Agent()

    def act(observations, started):
        seen.append((observations, started))
        return agent(observations, started)

    moments = list(watch(act, config, seed=4))
    played = play(Agent(), config.build(1), 1, seed=4)
    assert len(moments) == played.lengths.item() > 1
    assert sum(moment.reward for moment in moments) == played.returns.item()
    assert [started.tolist() for _, started in seen] == [[True]] + [[False]] * (len(moments) - 1)
    for number, moment in enumerate(moments):
        assert torch.equal(moment.observation, seen[number][0][0])
        assert moment.observation[2] == number
        assert moment.action.shape == ()
        assert np.array_equal(moment.frame, np.full((4, 6, 3), number))  # as it is before the action


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1", "MiniGrid-Empty-5x5-v0"])
def test_pictures_need_no_screen(monkeypatch, capfd, name):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(variable, raising=False)
    moments = watch(Agent(2), EnvironmentConfig(name), seed=0)
    first, second = next(moments), next(moments)
    assert first.frame.dtype == np.uint8
    assert first.frame.shape == second.frame.shape
    assert first.frame.shape[2] == 3
    assert len(np.unique(first.frame)) > 1
    assert "SDL_VIDEODRIVER" not in os.environ
    assert capfd.readouterr() == ("", "")
    moments.close()


def test_the_screen_that_a_user_chose_stays(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "offscreen")
    next(watch(Agent(), EnvironmentConfig("Dice-v0"), seed=0))
    assert os.environ["SDL_VIDEODRIVER"] == "offscreen"


def test_watching_ends_with_the_environment_closed(monkeypatch):
    closed = []
    made = gymnasium.registry["Dice-v0"].entry_point
    monkeypatch.setattr(made, "close", lambda self: closed.append(self.render_mode))
    moments = watch(Agent(), EnvironmentConfig("Dice-v0", {"faces": 30}), seed=0)
    next(moments)
    assert "rgb_array" not in closed
    moments.close()
    assert "rgb_array" in closed


def test_an_environment_that_cannot_be_drawn_is_refused(monkeypatch):
    made = gymnasium.registry["Dice-v0"].entry_point
    for modes, known in (([], "none"), (["human", "ansi"], "only 'human', 'ansi'")):
        monkeypatch.setitem(made.metadata, "render_modes", modes)
        with pytest.raises(
            ConfigError, match=f"'Dice-v0': cannot be drawn: it has no render mode 'rgb_array', {known}"
        ):
            next(watch(Agent(), EnvironmentConfig("Dice-v0"), seed=0))
