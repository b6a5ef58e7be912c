from dataclasses import replace

import gymnasium
import minigrid  # noqa: F401
import numpy as np
import pytest
import torch

import ctm
from control.agents import machine
from ctm.control.environments import EnvironmentConfig
from ctm.errors import ConfigError
from ctm.tasks.control import Control


class Dot(gymnasium.Env):
    """A bright column in a dark picture."""

    metadata = {"render_modes": []}  # noqa: RUF012
    observation_space = gymnasium.spaces.Box(0, 255, (12, 16, 3), np.uint8)
    action_space = gymnasium.spaces.Discrete(5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.seen(), {}

    def step(self, action):
        return self.seen(), 1.0, False, False, {}

    def seen(self):
        picture = np.zeros((12, 16, 3), np.uint8)
        picture[:, self.np_random.integers(16)] = 255
        return picture


@pytest.fixture(autouse=True)
def _dot():
    gymnasium.register("Dot-v0", Dot, max_episode_steps=3)
    yield
    del gymnasium.registry["Dot-v0"]


LOOKING = machine().replace(
    backbone=ctm.FeatureTokens.Config(3, 8),
    observer=ctm.CrossAttention.Config(embedding=8, heads=2),
    action=ctm.Synchronization.Config(ctm.RandomPairs(6)),
)
GRID = machine().replace(backbone=ctm.GridCells.Config(4), observer=ctm.Pooling.Config(49))
SMALL_VIEW = {"agent_view_size": 5}
ALL = [
    ("CartPole-v1", {}, "perceptron", "direct", (2, False)),
    ("Pendulum-v1", {}, "perceptron", "direct", (1, True)),
    ("FrozenLake-v1", {}, "perceptron", "direct", (4, False)),
    ("MiniGrid-Empty-5x5-v0", {}, "minigrid", "pooling", (7, False)),
    ("MiniGrid-MemoryS7-v0", SMALL_VIEW, "minigrid", "pooling", (7, False)),
    ("Dot-v0", {}, "conv_net", "pooling", (5, False)),
]


def fitted(model, environment, options=None, **others):
    config = EnvironmentConfig(environment, options or {}, **others)
    return Control.Config(config, episodes=2, test_episodes=2).fitted(model)


@pytest.mark.parametrize("model", [machine(), machine("lstm"), GRID], ids=["machine", "lstm", "grid"])
@pytest.mark.parametrize(("environment", "options", "backbone", "observer", "actions"), ALL)
def test_a_model_becomes_one_for_the_environment(model, environment, options, backbone, observer, actions):
    task, adapted = fitted(model, environment, options, time_limit=3)
    assert (adapted.backbone.kind, adapted.observer.kind) == (backbone, observer)
    assert (adapted.readout.actions, adapted.readout.continuous) == actions
    assert adapted.replace(backbone=model.backbone, observer=model.observer, readout=model.readout) == model
    assert fitted(adapted, environment, options, time_limit=3) == (task, adapted)
    assert task.build().scores(adapted.build(), "validation", 2)["episodes"] == 2


@pytest.mark.parametrize(("environment", "options", "backbone"), [(each[0], each[1], each[2]) for each in ALL])
def test_an_agent_may_look(environment, options, backbone):
    """What is a vector becomes a token for each of its numbers, so that there is something to look around in."""
    task, adapted = fitted(LOOKING, environment, options, time_limit=3)
    assert adapted.backbone.kind == backbone.replace("perceptron", "feature_tokens")
    assert adapted.observer == LOOKING.observer
    assert task.build().scores(adapted.build(), "validation", 2)["episodes"] == 2


def test_one_that_looked_at_pictures_gets_tokens_for_a_vector():
    pictures = LOOKING.replace(backbone=ctm.ConvNet.Config((8,), (True,)))
    _, adapted = fitted(pictures, "Pendulum-v1")
    assert (adapted.backbone.kind, adapted.backbone.features) == ("feature_tokens", 3)


def test_a_backbone_that_fits_stays():
    own = machine().replace(backbone=ctm.ConvNet.Config((8,), (True,)), observer=ctm.Pooling.Config())
    assert fitted(own, "Dot-v0")[1].backbone == own.backbone.replace(input_channels=3)
    assert fitted(GRID, "MiniGrid-Empty-5x5-v0")[1].backbone == GRID.backbone
    small = fitted(GRID, "MiniGrid-Empty-5x5-v0", SMALL_VIEW)[1]
    assert (small.backbone, small.observer) == (GRID.backbone.replace(view=5), ctm.Pooling.Config(25))


def test_cells_of_anything_else_are_refused():
    with pytest.raises(ConfigError, match=r"cells of shape \(7, 6, 3\): expected as many rows as columns of 3"):
        GRID.backbone.adapted_to_cells((7, 6, 3))
    with pytest.raises(ConfigError, match="of 3 symbols each"):
        GRID.backbone.adapted_to_cells((7, 7, 4))


def test_models_that_cannot_act_are_refused():
    task = Control.Config(EnvironmentConfig("CartPole-v1"))
    with pytest.raises(ConfigError, match=r"model.readout.kind = 'classes': to act takes an 'actor_critic'"):
        task.check(machine().replace(readout=ctm.ClassReadout.Config(2)), 2)
    scheduled = ctm.Scheduled.Config(ctm.CrossAttention.Config(embedding=8, heads=2))
    with pytest.raises(ConfigError, match=r"'scheduled': to act takes one that sees its input as a whole"):
        task.check(LOOKING.replace(observer=scheduled), 2)


def test_scores_are_those_of_whole_episodes_and_the_same_each_time():
    config, adapted = fitted(machine(), "CartPole-v1", time_limit=12)
    task, model = config.build(), adapted.build().train()
    first = task.scores(model, "test", 2, episodes=5)
    assert first == task.scores(model, "test", 2, episodes=5)
    assert model.training
    assert first["return_low"] <= first["return"] == first["length"] <= first["return_high"]
    assert (first["episodes"], first["ticks"]) == (5, 2.0)
    drawn = replace(config, greedy=False).build()
    scores = [drawn.scores(model, "test", 2, episodes=20, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
    assert drawn.scores(model, "validation", 2, episodes=20) != scores[0]


@pytest.mark.parametrize(("environment", "continuous"), [("CartPole-v1", False), ("Pendulum-v1", True)])
def test_an_episode_is_watched(environment, continuous):
    config, adapted = fitted(machine(), environment, time_limit=6)
    task, model = config.build(), adapted.build().eval()
    episode, again = task.watch(model, 3), task.watch(model, 3)
    assert torch.equal(episode.activity, again.activity)
    assert len(episode.frames) == len(episode.actions) == len(episode.rewards) == len(episode.values) == 6
    assert episode.activity.shape == (12, 16)
    assert episode.ticks == 2
    assert episode.certainty.shape == (6,)
    assert (episode.probabilities is None) == continuous
    if not continuous:
        assert torch.equal(episode.probabilities.argmax(-1), episode.actions.long())
    assert not torch.equal(episode.activity, task.watch(model, 4).activity)


def test_what_cannot_be_drawn_cannot_be_watched():
    config, adapted = fitted(machine(), "Dot-v0")
    with pytest.raises(ConfigError, match="cannot be drawn"):
        config.build().watch(adapted.build(), 0)
