"""Batches of Gymnasium environments, which take and give tensors.

Episodes follow each other as Gymnasium's autoreset NEXT_STEP has it: the step that ends an episode gives its final
observation; the next one ignores the action, gives no reward, and the first observation of a new episode. So an agent
sees how an episode ended, and can say what it would have been worth had it not been cut off.
"""

import contextlib
import difflib
import functools
import os
import traceback
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor

from ctm import plugins
from ctm.config import Config
from ctm.control.library import gymnasium, register_minigrid
from ctm.control.spaces import Actions, Observations, Spaces, readable
from ctm.errors import ConfigError, RunError

RESERVED = (
    "id",
    "num_envs",
    "vectorization_mode",
    "vector_kwargs",
    "wrappers",
    "max_episode_steps",
    "disable_env_checker",
    "render_mode",
)
"""Keyword arguments of Gymnasium's functions that are no options of an environment."""
SCREEN = "SDL_VIDEODRIVER"
"""The environment variable that tells pygame where to draw."""


@dataclass(frozen=True)
class EnvironmentConfig(Config):
    """An environment of Gymnasium."""

    id: str
    """As in `gymnasium.make`: "CartPole-v1", "MiniGrid-FourRooms-v0", "module:Mine-v0", or one that an imported file
    registers."""
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    """Keyword arguments of `gymnasium.make`, such as {max_steps: 300}."""
    frame_skip: int = 1
    """How often the environment repeats an action before the next observation; its rewards are added up."""
    mask: tuple[int, ...] = ()
    """The components of observed vectors that are always 0, such as velocities; the shape stays."""
    time_limit: int | None = None
    """Steps after which an episode is cut off, repeated ones among them; nothing for the environment's own limit."""

    def validate(self) -> None:
        self.require(not set(RESERVED) & set(self.options), "options", "keyword arguments of the environment itself")
        self.require(self.frame_skip >= 1, "frame_skip", "at least 1")
        self.require(self.time_limit is None or self.time_limit >= 1, "time_limit", "at least 1, or nothing")
        known = len(set(self.mask)) == len(self.mask) and min(self.mask, default=0) >= 0
        self.require(known, "mask", "different numbers, 0 or more")

    def modules(self) -> tuple[str, ...]:
        """Besides its own, the module that defines the environment, if it is a user's."""
        found = self.specification()
        entry = found.entry_point or found.vector_entry_point
        entry = entry.func if isinstance(entry, functools.partial) else entry
        module = entry.partition(":")[0] if isinstance(entry, str) else entry.__module__
        ours = module.partition(".")[0] in ("gymnasium", "minigrid")
        return super().modules() if ours else (*super().modules(), module)

    def specification(self) -> Any:
        """Gymnasium's entry for the environment, whose module is imported if the id says which.

        Raises:
            ConfigError: if there is none.
        """
        library = gymnasium()
        module, _, name = self.id.rpartition(":")
        if module:
            plugins.load(module)
        elif name.lower().startswith(("minigrid-", "babyai-")):
            register_minigrid()
        if name not in library.registry:
            close = difflib.get_close_matches(name, library.registry, n=3)
            known = f"did you mean {' or '.join(map(repr, close))}; " if close else ""
            own = "if it is one of your own, import the file or package that registers it first (--import)"
            raise ConfigError(f"environment.id = {self.id!r}: no such environment; {known}{own}")
        return library.registry[name]

    def spaces(self) -> Spaces:
        """What is observed and what can be done, for choosing a model.

        Raises:
            ConfigError: if there is no such environment, or it cannot be made or used.
        """
        environment = self.make()
        try:
            observations = Observations.of(environment.observation_space)
            actions = Actions.of(environment.action_space)
        except ConfigError as error:
            raise ConfigError(f"environment.id = {self.id!r}: {error}") from None
        finally:
            environment.close()
        if self.mask and observations.kind != "vector":
            raise ConfigError(
                f"environment.mask = {self.mask}: expected none, since {self.id} shows a {observations.kind}"
            )
        if max(self.mask, default=0) >= observations.shape[0]:
            raise ConfigError(
                f"environment.mask = {self.mask}: expected numbers below {observations.shape[0]}, as {self.id} shows"
            )
        return Spaces(observations, actions)

    def make(self, drawn: bool = False) -> Any:
        """A single environment as Gymnasium makes it, with the options, the time limit and the repeated actions.

        Args:
            drawn: whether it shall draw itself.

        Raises:
            ConfigError: if there is none, or it cannot be made, or drawn.
        """
        library, found = gymnasium(), self.specification()
        if drawn and "rgb_array" not in (modes := self.make().metadata.get("render_modes", [])):
            known = f"only {', '.join(map(repr, modes))}" if modes else "none"
            raise ConfigError(
                f"environment.id = {self.id!r}: cannot be drawn: it has no render mode 'rgb_array', {known}"
            )
        rendering = {"render_mode": "rgb_array"} if drawn else {}
        try:
            environment = library.make(found, self.time_limit, disable_env_checker=True, **rendering, **self.options)
        except Exception as error:  # its own, and whatever it imports
            raise ConfigError(f"environment.id = {self.id!r}: cannot be made ({_told(error)})") from error
        if self.frame_skip > 1:
            environment = library.wrappers.RepeatAction(environment, self.frame_skip)
        return environment

    def build(self, count: int, drawn: bool = False) -> "Environments":
        """Makes `count` environments, which can be `drawn`.

        Raises:
            ConfigError: if there is no such environment, or it cannot be made, used or drawn.
        """
        return Environments(self, count, drawn)


class Step(NamedTuple):
    """What N environments answer to actions."""

    observations: Tensor
    """(N, *shape)."""
    rewards: Float32[Tensor, " N"]
    """0 where an episode starts."""
    terminated: Bool[Tensor, " N"]
    """Where the episode ended, as it does in this environment; the observation is its last."""
    truncated: Bool[Tensor, " N"]
    """Where the episode was cut off; the observation is its last."""
    started: Bool[Tensor, " N"]
    """Where the observation is the first of a new episode, whatever the action was."""


class Episodes(NamedTuple):
    """E finished episodes."""

    returns: Float[Tensor, " E"]
    """The sum of an episode's rewards."""
    lengths: Int64[Tensor, " E"]
    """How many actions an episode took."""
    rows: Int64[Tensor, " E"]
    """Which environment it was in."""


class Environments:
    """N environments side by side.

    Those that Gymnasium can step together are; the others take their turns.

    Args:
        config: the environment.
        count: N, how many.
        drawn: whether `render` can draw them; they take their turns then.

    Raises:
        ConfigError: if there is no such environment, or it cannot be made, used or drawn.
    """

    def __init__(self, config: EnvironmentConfig, count: int, drawn: bool = False) -> None:
        if count < 1:
            raise ConfigError(f"count = {count}: expected at least 1")
        self.config, self.count, self.spaces = config, count, config.spaces()
        vector = None if drawn else _together(config, count)
        self._vector = _in_turns(config, count, drawn) if vector is None else vector
        self._masked = torch.tensor(config.mask, dtype=torch.int64)
        self._seed: int | None = None

    def reset(self, seed: int) -> Tensor:
        """Begins new episodes everywhere, and forgets finished ones that were not asked for.

        Args:
            seed: all that is random in the environments follows from it.

        Returns:
            the first observations, (N, *shape).
        """
        with self._blamed():
            observed, _ = self._vector.reset(seed=seed)
            self.observations = self._seen(observed)
        self._seed = seed
        self._actions: list[Tensor] = []
        self._finished: list[Episodes] = []
        self._drained = 0
        self._returns = torch.zeros(self.count, dtype=torch.float64)
        self._lengths = torch.zeros(self.count, dtype=torch.int64)
        self._over = torch.zeros(self.count, dtype=torch.bool)
        return self.observations

    def step(self, actions: Tensor) -> Step:
        """Takes an action in each environment.

        Args:
            actions: whole numbers from 0, (N,), or floating-point numbers (N, count), which are clipped to the bounds.

        Raises:
            RunError: if an environment fails.
            ValueError: for actions that the environments do not have.
        """
        self._require_started()
        if len(actions) != self.count:
            raise ValueError(f"actions for {len(actions)} environments: expected {self.count}")
        actions = actions.detach().cpu()
        taken = self.spaces.actions.array(actions, self._vector.single_action_space)
        with self._blamed():
            observed, rewards, terminated, truncated, _ = self._vector.step(taken)
            self.observations = self._seen(observed)
            rewards = torch.from_numpy(np.array(rewards, np.float32))  # (N,)
            terminated, truncated = (torch.from_numpy(np.array(ends, bool)) for ends in (terminated, truncated))  # (N,)
        self._actions.append(actions.to(self.spaces.actions.dtype, copy=True))
        started, self._over = self._over, terminated | truncated
        self._returns += rewards
        self._lengths += ~started
        if self._over.any():
            rows = self._over.nonzero().flatten()  # (E,)
            self._finished.append(Episodes(self._returns[rows], self._lengths[rows], rows))
            self._returns[rows], self._lengths[rows] = 0, 0
        return Step(self.observations, rewards, terminated, truncated, started)

    def episodes(self) -> Episodes:
        """The episodes that have finished since this was asked before, in the order in which they did."""
        finished, self._finished = self._finished, []
        none = Episodes(self._returns[:0], self._lengths[:0], self._lengths[:0])
        episodes = Episodes(*map(torch.cat, zip(none, *finished, strict=True)))
        self._drained += len(episodes.rows)
        return episodes

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on from here: the seed of the last reset and all actions since."""
        self._require_started()
        none = torch.empty(0, self.count, *self.spaces.actions.shape, dtype=self.spaces.actions.dtype)
        actions = torch.stack(self._actions) if self._actions else none  # (steps, N, *action)
        return {
            "seed": torch.tensor(self._seed),
            "actions": actions,
            "drained": torch.tensor(self._drained),  # how many finished episodes `episodes` has given away
            "observations": self.observations.clone(),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes back to where a `state` was taken, by doing everything again: `observations` are those of that moment.

        Raises:
            RunError: if an environment fails, the state is that of other environments, or they do not give the same for
                the same seed and actions.
        """
        actions = state["actions"]
        if (count := actions.shape[1]) != self.count:
            raise RunError(f"environment {self.config.id!r}: a state of {count} environments: expected {self.count}")
        self.reset(int(state["seed"]))
        for taken in actions:
            self.step(taken)
        if not torch.allclose(self.observations, state["observations"], equal_nan=True):
            raise RunError(
                f"environment {self.config.id!r}: the same seed and actions led to other observations than before; it "
                "has to draw all that is random from `self.np_random`"
            )
        drained = int(state["drained"])
        self._finished, self._drained = [Episodes(*(part[drained:] for part in self.episodes()))], drained

    def render(self) -> tuple[np.ndarray, ...]:
        """A picture (H, W, 3) uint8 of each environment, if they are `drawn`; no screen is needed."""
        with self._blamed(), _no_screen():
            return self._vector.render()

    def close(self) -> None:
        """Lets go of what the environments hold, such as windows."""
        self._vector.close()

    def _seen(self, observed: Any) -> Tensor:
        observations = self.spaces.observations.tensor(np.asarray(observed))
        return observations.index_fill_(1, self._masked, 0) if len(self._masked) else observations

    def _require_started(self) -> None:
        if self._seed is None:
            raise ValueError("environments that were never reset: call reset(seed) first")

    @contextlib.contextmanager
    def _blamed(self) -> Generator[None, None, None]:
        """Turns whatever an environment raises into one line."""
        try:
            yield
        except Exception as error:
            raise RunError(f"environment {self.config.id!r} failed ({_told(error)})") from error


def _together(config: EnvironmentConfig, count: int) -> Any:
    """The environments as one of Gymnasium's that computes all at once; nothing if there is none for this."""
    library, found = gymnasium(), config.specification()
    if found.vector_entry_point is None or found.additional_wrappers or config.frame_skip > 1:
        return None
    limit = {} if config.time_limit is None else {"max_episode_steps": config.time_limit}
    try:
        vector = library.make_vec(found, count, "vector_entry_point", **limit, **config.options)
    except Exception as error:  # its own, and whatever it imports
        raise ConfigError(
            f"environment.id = {config.id!r}: its vector entry point cannot be made ({_told(error)})"
        ) from error
    next_step = vector.metadata.get("autoreset_mode") == library.vector.AutoresetMode.NEXT_STEP
    if next_step and isinstance(vector.single_observation_space, library.spaces.Box):
        return vector
    vector.close()
    return None


def _in_turns(config: EnvironmentConfig, count: int, drawn: bool) -> Any:
    """The environments as one that steps one after the other."""
    library = gymnasium()
    made = [lambda: readable(config.make(drawn))] * count
    return library.vector.SyncVectorEnv(made, autoreset_mode=library.vector.AutoresetMode.NEXT_STEP)


@contextlib.contextmanager
def _no_screen() -> Generator[None, None, None]:
    """What pygame begins to draw meanwhile goes to no window, and looks for none."""
    chosen = os.environ.get(SCREEN)
    os.environ.setdefault(SCREEN, "dummy")
    try:
        yield
    finally:
        if chosen is None:
            del os.environ[SCREEN]


def _told(error: BaseException) -> str:
    """An error, and the line that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}, line {frame.lineno}: {type(error).__name__}: {' '.join(str(error).split())}"
