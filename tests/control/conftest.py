"""Environments of our own, and one step after the other as an oracle."""

from collections.abc import Iterator

import gymnasium
import minigrid  # noqa: F401
import numpy as np
import pytest
import torch


class Dice(gymnasium.Env):
    """Throws that the action is added to; the highest ends it. All numbers are whole, and so the same everywhere."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)

    def __init__(self, faces=6, start=0, fails_after=None, honest=True, render_mode=None):
        self.faces, self.fails_after, self.honest, self.render_mode = faces, fails_after, honest, render_mode
        self.action_space = gymnasium.spaces.Discrete(3, start=start)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sum, self.steps = 0, 0
        self.thrown = self.throw()
        return self.seen(), {}

    def step(self, action):
        if not self.action_space.contains(action):
            raise ValueError(f"no such action: {action!r}")
        if self.steps == self.fails_after:
            raise ArithmeticError("the dice\nare gone")
        self.thrown = self.throw()
        self.sum += self.thrown + int(action)
        self.steps += 1
        return self.seen(), float(self.thrown * action), self.thrown == self.faces, False, {}

    def throw(self):
        source = self.np_random if self.honest else np.random.default_rng()
        return int(source.integers(1, self.faces, endpoint=True))

    def seen(self):
        return np.array([self.thrown, self.sum, self.steps], dtype=np.float64)

    def render(self):
        return np.full((4, 6, 3), self.steps, dtype=np.uint8)


class OneByOne:
    """What `Environments` are: single environments in a loop, a mask, repeated actions, and episodes that are counted.

    Args:
        config: an `EnvironmentConfig`; its environment gives vectors or a Dict with an image.
        count: how many.
    """

    def __init__(self, config, count):
        self.config = config
        self.singles = [gymnasium.make(config.id, config.time_limit, **config.options) for _ in range(count)]
        self.ended = [False] * count
        self.rewards = [[] for _ in range(count)]
        self.episodes = []

    def reset(self, seed):
        return torch.stack([self.seen(each.reset(seed=seed + row)[0]) for row, each in enumerate(self.singles)])

    def step(self, actions):
        return [torch.stack(part) for part in zip(*map(self.step_one, range(len(actions)), actions), strict=True)]

    def step_one(self, row, action):
        started = self.ended[row]
        reward, terminated, truncated = 0.0, False, False
        if started:
            observed, _ = self.singles[row].reset()
        else:
            for _ in range(self.config.frame_skip):
                observed, more, terminated, truncated, _ = self.singles[row].step(self.taken(row, action))
                reward += float(more)
                if terminated or truncated:
                    break
            self.rewards[row].append(np.float32(reward))
        self.ended[row] = bool(terminated or truncated)
        if self.ended[row]:
            self.episodes.append((float(np.sum(self.rewards[row], dtype=np.float64)), len(self.rewards[row]), row))
            self.rewards[row] = []
        step = (torch.tensor(value) for value in (np.float32(reward), bool(terminated), bool(truncated), started))
        return self.seen(observed), *step

    def taken(self, row, action):
        space = self.singles[row].action_space
        if isinstance(space, gymnasium.spaces.Discrete):
            return int(action) + int(space.start)
        return np.minimum(np.maximum(action.numpy(), space.low), space.high)

    def seen(self, observed):
        if isinstance(observed, dict):
            return torch.tensor(observed["image"]).long()
        numbers = [0.0 if place in self.config.mask else float(value) for place, value in enumerate(observed)]
        return torch.tensor(numbers, dtype=torch.float32)


@pytest.fixture
def registered() -> Iterator[None]:
    """Gymnasium knows `Dice-v0` (at most 9 steps), and forgets what else a test registers."""
    before = dict(gymnasium.registry)
    gymnasium.register("Dice-v0", Dice, max_episode_steps=9)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(before)
