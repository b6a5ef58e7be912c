"""What of Gymnasium's spaces a model can take and give."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete

from ctm import ConfigError
from ctm.control import Actions, EnvironmentConfig, Observations, Spaces


class Fixed(gymnasium.Env):
    """Shows what its space holds; an action, as it comes, is told in `taken`."""

    def __init__(self, observed, action):
        self.observation_space, self.action_space, self.taken = observed, action, []
        self.observation_space.seed(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.shown = self.observation_space.sample()
        return self.shown, {}

    def step(self, action):
        self.taken.append(action)
        self.shown = self.observation_space.sample()
        return self.shown, 0.0, False, False, {}


def spaces_of(observed, action):
    """The spaces of a configuration of such an environment, two of them, and what they show at first."""
    gymnasium.register("Fixed-v0", lambda: Fixed(observed, action))
    config = EnvironmentConfig("Fixed-v0")
    environments = config.build(2)
    first = environments.reset(0)
    singles = [single.unwrapped for single in environments._vector.envs]
    assert config.spaces() == environments.spaces
    return environments, first, singles


pytestmark = pytest.mark.usefixtures("registered")
ACTION = Discrete(2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8])
def test_boxes_of_one_dimension_are_vectors(dtype):
    environments, first, singles = spaces_of(Box(-5, 5, (3,), dtype), ACTION)
    assert environments.spaces.observations == Observations("vector", (3,))
    assert first.dtype == torch.float32
    assert first.tolist() == [np.float32(single.shown).tolist() for single in singles]


def test_observations_share_no_memory_with_what_an_environment_gave():
    given = np.zeros((2, 3), dtype=np.float32)
    observations = Observations("vector", (3,)).tensor(given)
    given += 1
    assert not observations.any()


def test_one_of_several_is_one_hot():
    environments, first, singles = spaces_of(Discrete(4, start=-1), ACTION)
    assert environments.spaces.observations == Observations("vector", (4,))
    assert first.dtype == torch.float32
    assert first.argmax(1).tolist() == [single.shown + 1 for single in singles]
    assert first.sum(1).tolist() == [1, 1]


def test_boxes_of_bytes_are_pictures_from_0_to_1():
    environments, first, singles = spaces_of(Box(0, 255, (5, 4, 3), np.uint8), ACTION)
    assert environments.spaces.observations == Observations("picture", (3, 5, 4))
    assert first.shape == (2, 3, 5, 4)
    assert first.dtype == torch.float32
    for picture, single in zip(first, singles, strict=True):
        assert torch.equal(picture.permute(1, 2, 0), torch.tensor(single.shown) / 255)


def test_images_among_other_parts_are_grids_of_whole_numbers():
    cells = Box(0, 10, (5, 4, 3), np.uint8)
    environments, first, singles = spaces_of(Dict(image=cells, direction=Discrete(4)), ACTION)
    assert environments.spaces.observations == Observations("grid", (5, 4, 3))
    assert first.dtype == torch.int64
    assert first.tolist() == [single.shown["image"].tolist() for single in singles]


def test_minigrid_shows_a_grid_and_classic_control_vectors():
    seven = Spaces(Observations("grid", (7, 7, 3)), Actions(7, continuous=False))
    assert EnvironmentConfig("MiniGrid-FourRooms-v0").spaces() == seven
    assert EnvironmentConfig("CartPole-v1").spaces() == (Observations("vector", (4,)), Actions(2, continuous=False))
    assert EnvironmentConfig("Pendulum-v1").spaces() == (Observations("vector", (3,)), Actions(1, continuous=True))


def test_choices_begin_where_the_space_does():
    environments, _, singles = spaces_of(Box(0, 1, (1,)), Discrete(3, start=5))
    assert environments.spaces.actions == Actions(3, continuous=False)
    environments.step(torch.tensor([0, 2]))
    assert [single.taken for single in singles] == [[5], [7]]


def test_more_choices_than_a_byte_holds():
    environments, _, singles = spaces_of(Box(0, 1, (1,)), Discrete(1000))
    environments.step(torch.tensor([999, 256]))
    assert [single.taken for single in singles] == [[999], [256]]
    assert environments.state()["actions"].tolist() == [[999, 256]]


def test_numbers_are_clipped_to_their_bounds():
    low, high = np.array([-1, 0], dtype=np.float32), np.array([1, 3], dtype=np.float32)
    environments, _, singles = spaces_of(Box(0, 1, (1,)), Box(low, high))
    assert environments.spaces.actions == Actions(2, continuous=True)
    environments.step(torch.tensor([[-2, 2.5], [0.5, 4]]))
    assert [single.taken[0].tolist() for single in singles] == [[-1, 2.5], [0.5, 3]]
    assert singles[0].taken[0].dtype == np.float32


@pytest.mark.parametrize(
    "space",
    [
        Box(0, 1, (2, 2)),
        Box(0, 1, (2, 2, 3)),
        Box(0, 1, ()),
        MultiBinary(3),
        Dict(image=Box(0, 1, (2, 2, 3))),
        Dict(position=Box(0, 1, (2,))),
    ],
    ids=str,
)
def test_other_observations_are_refused(space):
    with pytest.raises(ConfigError, match=r"'Fixed-v0': observation space (Box|Multi|Dict).*: expected a Box of one"):
        spaces_of(space, ACTION)


@pytest.mark.parametrize(
    "space", [Box(-np.inf, 1, (1,)), Box(0, 1, (1, 1)), MultiDiscrete([2, 3]), MultiBinary(2)], ids=str
)
def test_other_actions_are_refused(space):
    with pytest.raises(ConfigError, match=r"'Fixed-v0': action space (Box|Multi).*: expected a Discrete, or a Box of"):
        spaces_of(Box(0, 1, (1,)), space)
