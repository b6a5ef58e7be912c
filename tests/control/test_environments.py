"""Batches of environments: the same as one after the other, and the same again after a restart."""

import json
import sys

import gymnasium
import pytest
import torch
import yaml
from gymnasium.vector import AutoresetMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control.conftest import OneByOne
from ctm import ConfigError, RunError, plugins
from ctm.config import to_yaml
from ctm.control import EnvironmentConfig
from ctm.randomness import generator
from plugin_files import write

pytestmark = pytest.mark.usefixtures("registered")


NUMBER = gymnasium.spaces.Box(0, 1, (1,))
TWICE = gymnasium.wrappers.RepeatAction.wrapper_spec(num_repeats=2)
"""What Gymnasium itself wraps an environment in."""


def random_actions(environments, steps, seed=0):
    """Actions (steps, N, *action), numbers a little beyond the bounds."""
    actions, source = environments.spaces.actions, generator(seed, "actions")
    shape = (steps, environments.count, *actions.shape)
    if actions.continuous:
        return 3 * torch.randn(shape, generator=source)
    return torch.randint(actions.count, shape, generator=source)


def same_as_one_by_one(config, count, steps, seed):
    environments, oracle = config.build(count), OneByOne(config, count)
    assert torch.equal(environments.reset(seed), oracle.reset(seed))
    for actions in random_actions(environments, steps, seed):
        step = environments.step(actions)
        for name, found, expected in zip(step._fields, step, oracle.step(actions), strict=True):
            assert found.dtype == expected.dtype, name
            assert torch.equal(found, expected), name
        assert environments.observations is step.observations
    episodes = environments.episodes()
    assert list(zip(*(part.tolist() for part in episodes), strict=True)) == oracle.episodes
    assert not len(environments.episodes().returns)
    return oracle.episodes


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        EnvironmentConfig,
        id=st.just("Dice-v0"),
        options=st.fixed_dictionaries({"faces": st.integers(2, 12), "start": st.integers(-1, 2)}),
        frame_skip=st.integers(1, 3),
        mask=st.sampled_from([(), (0,), (2, 1)]),
        time_limit=st.sampled_from([None, 1, 5]),
    ),
    st.integers(1, 4),
    st.integers(0, 2**62),
)
def test_a_batch_is_its_environments_one_by_one(config, count, seed):
    assert same_as_one_by_one(config, count, steps=30, seed=seed)


@pytest.mark.parametrize(
    "config",
    [
        EnvironmentConfig("Acrobot-v1", mask=(4, 5), time_limit=15),
        EnvironmentConfig("Pendulum-v1", frame_skip=2, time_limit=15),
        EnvironmentConfig("CartPole-v1", frame_skip=2, mask=(1, 3), time_limit=25),
        EnvironmentConfig("MiniGrid-Empty-5x5-v0", {"max_steps": 30}, time_limit=12),
    ],
    ids=lambda config: config.id,
)
def test_known_environments_in_a_batch_are_those_one_by_one(config):
    assert len(same_as_one_by_one(config, count=2, steps=40, seed=3)) >= 3


@pytest.mark.parametrize("options", [{}, {"sutton_barto_reward": True}])
def test_environments_that_are_computed_together_are_those_one_by_one(options):
    """Theirs is one source of random numbers for all, so that a new episode of the oracle begins where theirs does."""
    config, seed = EnvironmentConfig("CartPole-v1", options, mask=(1, 3), time_limit=20), 1
    environments, oracle = config.build(4), OneByOne(config, 4)
    vector = environments._vector
    assert not isinstance(vector, gymnasium.vector.SyncVectorEnv)
    environments.reset(seed)
    oracle.reset(seed)
    actions = random_actions(environments, 100)
    actions[:, 0] = torch.arange(100) % 2  # stays up until the time limit
    rows = range(4)
    for taken in actions:
        for row in rows:
            oracle.singles[row].unwrapped.state = tuple(vector.state[:, row])
        step, expected = environments.step(taken), oracle.step(taken)
        torch.testing.assert_close(step.observations[~step.started], expected[0][~step.started])
        for found, wanted in zip(step[1:], expected[1:], strict=True):
            assert torch.equal(found, wanted)
        assert step.observations[:, [1, 3]].abs().max() == 0
        assert step.observations[step.started].abs().amax() <= 0.05 if step.started.any() else True
    assert list(zip(*(part.tolist() for part in environments.episodes()), strict=True)) == oracle.episodes
    lengths = [length for _, length, _ in oracle.episodes]
    assert max(lengths) == 20 > min(lengths)  # some were cut off, others ended


class Together(gymnasium.vector.VectorEnv):
    """Environments that are computed together in a way that cannot be used."""

    def __init__(self, num_envs, max_episode_steps, mode=AutoresetMode.NEXT_STEP, space=None):
        self.num_envs, self.metadata, self.single_observation_space = num_envs, {"autoreset_mode": mode}, space


@pytest.mark.parametrize(
    "specification",
    [
        {"vector_entry_point": lambda **given: Together(**given, mode=AutoresetMode.SAME_STEP, space=NUMBER)},
        {"vector_entry_point": lambda **given: Together(**given, space=gymnasium.spaces.Discrete(2))},
        {"vector_entry_point": Together, "additional_wrappers": (TWICE,)},
    ],
    ids=["new episodes in another way", "no vectors", "wrapped"],
)
def test_what_cannot_be_computed_together_takes_its_turns(specification):
    specification = {"additional_wrappers": (), **specification}
    for name, value in specification.items():
        setattr(gymnasium.registry["Dice-v0"], name, value)
    assert same_as_one_by_one(EnvironmentConfig("Dice-v0"), count=2, steps=30, seed=0)


RESUMED = [
    EnvironmentConfig("CartPole-v1", time_limit=15),
    EnvironmentConfig("Acrobot-v1", time_limit=25),
    EnvironmentConfig("Pendulum-v1", time_limit=25),
    EnvironmentConfig("MiniGrid-FourRooms-v0", time_limit=25),
    EnvironmentConfig("MiniGrid-SmallFourRooms-v0", {"size": 7}, time_limit=25),
    EnvironmentConfig("Dice-v0"),
]


@pytest.mark.parametrize("config", RESUMED, ids=lambda config: config.id)
def test_what_follows_a_restart_is_the_same(config):
    first, second = config.build(3), config.build(3)
    first.reset(5)
    actions = random_actions(first, 90)
    for taken in actions[:30]:
        first.step(taken)
    first.episodes()
    for taken in actions[30:40]:
        first.step(taken)
    state = {name: tensor.clone() for name, tensor in first.state().items()}
    second.restore(state)
    assert torch.equal(first.observations, second.observations)
    for environments in (first, second):
        assert all(map(torch.equal, environments.state().values(), state.values()))
    for taken in actions[40:]:
        for found, expected in zip(second.step(taken), first.step(taken), strict=True):
            assert torch.equal(found, expected)
    finished = first.episodes()
    assert len(finished.rows)
    assert all(map(torch.equal, finished, second.episodes()))


@pytest.mark.parametrize(("name", "dtype"), [("CartPole-v1", torch.uint8), ("Pendulum-v1", torch.float32)])
def test_actions_are_kept_in_few_bytes(name, dtype):
    environments = EnvironmentConfig(name).build(2)
    environments.reset(0)
    assert environments.state()["actions"].shape[:2] == (0, 2)
    actions = random_actions(environments, 3)
    for taken in actions:
        environments.step(taken)
    kept = environments.state()["actions"]
    assert kept.dtype == dtype
    assert torch.equal(kept, actions.to(dtype))
    actions.zero_()  # changing what was given changes nothing
    assert not torch.equal(environments.state()["actions"], actions.to(dtype))


def test_a_reset_begins_anew():
    environments = EnvironmentConfig("Dice-v0").build(3)
    first = environments.reset(0)
    for taken in random_actions(environments, 20):
        environments.step(taken)
    assert not torch.equal(environments.reset(1), first)
    assert torch.equal(environments.reset(0), first)
    assert not len(environments.episodes().rows)
    assert not environments.step(torch.zeros(3, dtype=torch.int64)).started.any()
    assert len(environments.state()["actions"]) == 1


def test_observations_stay_what_they_were():
    environments = EnvironmentConfig("Dice-v0").build(2)
    first = environments.reset(0)
    before = first.clone()
    environments.step(torch.ones(2, dtype=torch.int64))
    assert torch.equal(first, before)


def test_a_state_of_others_is_refused():
    environments, others = EnvironmentConfig("Dice-v0").build(2), EnvironmentConfig("Dice-v0").build(3)
    others.reset(0)
    with pytest.raises(RunError, match=r"'Dice-v0': a state of 3 environments: expected 2"):
        environments.restore(others.state())


def test_environments_that_do_not_repeat_themselves_cannot_be_resumed():
    environments = EnvironmentConfig("Dice-v0", {"honest": False, "faces": 10**6}).build(2)
    environments.reset(0)
    state = environments.state()
    with pytest.raises(RunError, match=r"other observations than before; it has to draw .* from `self\.np_random`"):
        environments.restore(state)


def test_what_an_environment_raises_is_one_line_that_says_where():
    environments = EnvironmentConfig("Dice-v0", {"fails_after": 1}).build(2)
    environments.reset(0)
    environments.step(torch.zeros(2, dtype=torch.int64))
    message = r"environment 'Dice-v0' failed \(conftest\.py, line \d+: ArithmeticError: the dice are gone\)$"
    with pytest.raises(RunError, match=message):
        environments.step(torch.zeros(2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EnvironmentConfig("CartPol-v1"), "id = 'CartPol-v1': no such environment; did you mean 'CartPole-v1' or"),
        (EnvironmentConfig("Minigrid-FourRooms-v0"), "did you mean 'MiniGrid-FourRooms-v0' or"),
        (EnvironmentConfig("?"), r"id = '\?': no such environment; if it is .*\(--import\)"),
        (EnvironmentConfig("no_such_module:Mine-v0"), "import 'no_such_module': not found"),
        (
            EnvironmentConfig("Dice-v0", {"sides": 3}),
            "'Dice-v0': cannot be made .* unexpected keyword argument 'sides'",
        ),
        (EnvironmentConfig("CartPole-v1", {"sides": 3}), "cannot be made .* unexpected keyword argument 'sides'"),
        (EnvironmentConfig("Blackjack-v1"), r"'Blackjack-v1': observation space Tuple\(.*: expected a Box of one dim"),
        (EnvironmentConfig("Dice-v0", mask=(3,)), r"mask = \(3,\): expected numbers below 3"),
        (EnvironmentConfig("MiniGrid-Empty-5x5-v0", mask=(0,)), "mask = .* expected none, since .* shows a grid"),
    ],
    ids=["name", "case", "nothing", "module", "option", "option together", "space", "mask", "masked grid"],
)
def test_environments_that_cannot_be_are_refused(config, message):
    for make in (config.spaces, lambda: config.build(2)):
        with pytest.raises(ConfigError, match=message) as caught:
            make()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"options": {"render_mode": "human"}}, "options = .*: expected keyword arguments of the environment itself"),
        ({"frame_skip": 0}, "frame_skip = 0: expected at least 1"),
        ({"mask": (0, 0)}, r"mask = \(0, 0\): expected different numbers, 0 or more"),
        ({"mask": (-1,)}, "mask = .*: expected different numbers, 0 or more"),
        ({"time_limit": 0}, "time_limit = 0: expected at least 1, or nothing"),
    ],
)
def test_configurations_are_checked(fields, message):
    with pytest.raises(ConfigError, match=message):
        EnvironmentConfig("Dice-v0", **fields)


def test_a_configuration_travels_as_yaml():
    config = EnvironmentConfig("MiniGrid-FourRooms-v0", {"max_steps": 300, "agent_pos": [1, 2]}, mask=(1, 3))
    again = EnvironmentConfig.from_dict(yaml.safe_load(to_yaml(config)))
    assert again == config
    assert hash(again) == hash(config)
    with pytest.raises(ConfigError, match="options"):
        to_yaml(config.replace(options={"field": object()}))


@pytest.mark.parametrize(
    ("name", "actions", "message"),
    [
        ("CartPole-v1", torch.tensor([0, 2]), "actions from 0 to 2: expected 0 to 1"),
        ("CartPole-v1", torch.tensor([-1, 0]), "actions from -1 to 0: expected 0 to 1"),
        ("CartPole-v1", torch.zeros(2), r"actions .* torch.float32: expected whole numbers \(N\)"),
        ("CartPole-v1", torch.zeros(2, 1, dtype=torch.int64), r"actions of shape \(2, 1\)"),
        ("CartPole-v1", torch.zeros(3, dtype=torch.int64), "actions for 3 environments: expected 2"),
        ("Pendulum-v1", torch.zeros(2), r"actions of shape \(2,\) .*: expected floating-point numbers \(N, 1\)"),
        ("Pendulum-v1", torch.full((2, 1), torch.nan), "actions: some are not a number"),
    ],
)
def test_actions_are_checked(name, actions, message):
    environments = EnvironmentConfig(name).build(2)
    environments.reset(0)
    with pytest.raises(ValueError, match=message):
        environments.step(actions)


def test_a_reset_comes_first():
    environments = EnvironmentConfig("Dice-v0").build(1)
    for method in (environments.state, lambda: environments.step(torch.zeros(1, dtype=torch.int64))):
        with pytest.raises(ValueError, match=r"never reset: call reset\(seed\) first"):
            method()
    with pytest.raises(ConfigError, match="count = 0: expected at least 1"):
        EnvironmentConfig("Dice-v0").build(0)


MINE = """import gymnasium
import numpy as np


class Mine(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(0, 9, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), 1.0, False, False, {}


gymnasium.register("Mine-v0", Mine, max_episode_steps=4)
"""


@pytest.mark.usefixtures("new_process")
def test_an_environment_of_ones_own_is_remembered_with_its_file(tmp_path):
    file = write(tmp_path / "my_env.py", MINE)
    config = EnvironmentConfig("Mine-v0")
    with pytest.raises(ConfigError, match="'Mine-v0': no such environment"):
        config.build(1)
    plugins.load(file)
    environments = config.build(2)
    environments.reset(0)
    for _ in range(4):
        step = environments.step(torch.zeros(2, dtype=torch.int64))
    assert step.truncated.all()
    assert [entry["file"] for entry in json.loads(plugins.record(config))] == [str(file)]
    assert plugins.record(EnvironmentConfig("CartPole-v1")) is None
    assert plugins.record(EnvironmentConfig("MiniGrid-FourRooms-v0")) is None


@pytest.mark.parametrize("entry", ["Mine", "lambda: Mine()", "functools.partial(Mine)", "__name__ + ':Mine'"])
@pytest.mark.usefixtures("new_process")
def test_a_file_is_remembered_however_it_registers_the_environment(tmp_path, entry):
    text = "import functools\n" + MINE.replace('"Mine-v0", Mine', f'"Mine-v0", {entry}')
    file = write(tmp_path / "my_env.py", text)
    plugins.load(file)
    config = EnvironmentConfig("Mine-v0")
    assert config.spaces().observations.shape == (1,)
    assert [entry["file"] for entry in json.loads(plugins.record(config))] == [str(file)]


def test_an_environment_without_a_single_one_is_refused():
    gymnasium.register("Many-v0", vector_entry_point=Together)
    assert EnvironmentConfig("Many-v0").modules() == ("ctm.control.environments", __name__)
    with pytest.raises(ConfigError, match=r"'Many-v0': cannot be made .*entry_point is not specified"):
        EnvironmentConfig("Many-v0").spaces()


@pytest.mark.usefixtures("new_process")
def test_the_module_of_an_id_is_imported(tmp_path, monkeypatch):
    write(tmp_path / "module_of_mine.py", MINE)
    monkeypatch.syspath_prepend(tmp_path)
    config = EnvironmentConfig("module_of_mine:Mine-v0")
    assert config.spaces().observations.shape == (1,)
    assert json.loads(plugins.record(config)) == [{"module": "module_of_mine"}]
    monkeypatch.delitem(sys.modules, "module_of_mine")


@pytest.mark.parametrize(("library", "name"), [("gymnasium", "CartPole-v1"), ("minigrid", "MiniGrid-FourRooms-v0")])
def test_a_missing_library_is_named_with_the_extra_that_brings_it(monkeypatch, library, name):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=rf"{library} .*pip install 'continuous-thought-machines\[control\]'"):
        EnvironmentConfig(name).spaces()


def test_small_four_rooms_are_those_of_minigrid_in_another_size():
    theirs, small = (
        EnvironmentConfig(f"MiniGrid-{name}-v0").make().unwrapped for name in ("FourRooms", "SmallFourRooms")
    )
    small.__init__(size=19)
    for seed in range(3):
        ((first, _), (second, _)) = (environment.reset(seed=seed) for environment in (theirs, small))
        assert (first["image"] == second["image"]).all()
        assert theirs.grid == small.grid
        assert (tuple(theirs.agent_pos), theirs.agent_dir) == (tuple(small.agent_pos), small.agent_dir)
    nine = EnvironmentConfig("MiniGrid-SmallFourRooms-v0", {"size": 9}).make().unwrapped
    nine.reset(seed=0)
    assert (nine.grid.width, nine.grid.height, nine.max_steps) == (9, 9, 100)
