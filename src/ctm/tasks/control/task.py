"""Control: acting in an environment for the rewards it gives (appendix G.6)."""

import base64
import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from ctm.backbones import BackboneConfig, ConvNet, FeatureTokens, GatedPerceptron, GridCells, ModuleBackbone
from ctm.control.agent import Agent
from ctm.control.environments import EnvironmentConfig, Environments
from ctm.control.episodes import EpisodeStep, bootstrap_interval, play, watch
from ctm.control.spaces import Observations
from ctm.errors import ConfigError
from ctm.inputs import Inputs
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.observers import Direct, ObserverConfig, Pooling, Scheduled
from ctm.randomness import seed_from
from ctm.readouts import ActorCritic
from ctm.tasks.base import BaseTaskConfig, Split
from ctm.tasks.control.actors import Actor, RecordedEpisode, RecordingActor

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


PAGE_STEPS = 150
"""Steps of an episode that the page shows, at most."""


class Control:
    """An environment to act in. Scores are those of whole episodes, with rewards as the environment gives them.

    Args:
        config: which, and how agents are scored.
    """

    primary_metric = "return"
    """The score that decides which checkpoint is the best; higher is better."""

    @dataclass(frozen=True)
    class Config(BaseTaskConfig, kind="control"):
        """Acting in an environment."""

        environment: EnvironmentConfig
        """Which one."""
        episodes: int = 20
        """Episodes that score an agent during training."""
        test_episodes: int = 100
        """Episodes that score it at the end."""
        greedy: bool = True
        """Whether an agent that is scored does what is likeliest; if not, it draws its actions, as in training."""

        acts: ClassVar[bool] = True

        def validate(self) -> None:
            for name in ("episodes", "test_episodes"):
                self.require(getattr(self, name) >= 1, name, "at least 1")

        @property
        def answer_shape(self) -> None:
            return None

        @property
        def comparable(self) -> tuple[Any, ...]:
            return self.kind, self.environment.to_dict()

        def check(self, model: MachineConfig, ticks: int) -> None:
            if not isinstance(model.readout, ActorCritic.Config):
                raise ConfigError(f"model.readout.kind = {model.readout.kind!r}: to act takes an 'actor_critic'")
            if isinstance(model.observer, Scheduled.Config):
                raise ConfigError("model.observer.kind = 'scheduled': to act takes one that sees its input as a whole")

        def fitted(self, model: MachineConfig) -> tuple["Control.Config", MachineConfig]:
            spaces = self.environment.spaces()
            backbone = _backbone(model.backbone, spaces.observations, model.observer.uses_query)
            observer = _observer(model.observer, backbone, spaces.observations)
            actions = {"actions": spaces.actions.count, "continuous": spaces.actions.continuous}
            return self, model.replace(backbone=backbone, observer=observer, readout=model.readout.replace(**actions))

        def example(self, batch: int) -> Inputs:
            seen = self.environment.spaces().observations
            return torch.zeros(batch, *seen.shape, dtype=torch.int64 if seen.kind == "grid" else torch.float32)

        def build(self) -> "Control":
            return Control(self)

    def __init__(self, config: "Control.Config") -> None:
        self.config = config
        self.spaces = config.environment.spaces()

    def environments(self, count: int) -> Environments:
        """So many environments side by side.

        Raises:
            ConfigError: if they cannot be made.
        """
        return self.config.environment.build(count)

    def scores(
        self, model: ContinuousThoughtMachine, split: Split, batch: int, episodes: int | None = None, seed: int = 0
    ) -> dict[str, float]:
        """Lets a model act for some episodes.

        Args:
            model: the machine, on the device to compute on; it is in evaluation mode meanwhile.
            split: for which episodes: those of a split begin alike each time.
            batch: environments side by side, at most.
            episodes: how many; by default as many as configured for the split.
            seed: of other episodes.

        Returns:
            the means of "return" and "length", the bounds of the interval that the mean return is in with a confidence
            of 95 %, by bootstrap over episodes, the "ticks" of a step, and how many "episodes" there were.

        Raises:
            RunError: if an environment fails.
        """
        config = self.config
        count = (config.test_episodes if split == "test" else config.episodes) if episodes is None else episodes
        environments = self.environments(min(batch, count))
        training = model.training
        model.eval()
        try:
            act = Actor(Agent(model), environments.count, config.greedy, seed_from("actions", split, seed))
            played = play(act, environments, count, seed_from("episodes", split, seed) % 2**31)
        finally:
            model.train(training)
            environments.close()
        low, high = bootstrap_interval(played.returns, seed=0)
        return {
            "return": played.returns.mean().item(),
            "return_low": low,
            "return_high": high,
            "length": played.lengths.double().mean().item(),
            "ticks": float(model.config.ticks),
            "episodes": count,
        }

    def watch(self, model: ContinuousThoughtMachine, seed: int, drawn: bool = True) -> RecordedEpisode:
        """Lets a model act for an episode, and keeps what it thought.

        Args:
            model: the machine, in evaluation mode.
            seed: of the episode.
            drawn: whether the environment is drawn, too.

        Raises:
            ConfigError: if the environment cannot be drawn.
            RunError: if it fails.
        """
        act = RecordingActor(Agent(model), 1, self.config.greedy, seed_from("actions", "watched", seed))
        steps = list(watch(act, self.config.environment, seed, drawn))
        logits = torch.cat(act.numbers)  # (S, numbers)
        return RecordedEpisode(
            frames=[step.frame for step in steps if step.frame is not None],
            actions=torch.stack([step.action for step in steps]),
            probabilities=None if model.config.readout.continuous else logits.softmax(-1),  # ty: ignore
            rewards=torch.tensor([step.reward for step in steps]),
            values=torch.cat(act.values),
            certainty=model.readout.certainty(torch.cat([logits, torch.cat(act.values).unsqueeze(-1)], dim=-1)),
            activity=torch.cat(act.activity),
        )

    def page_data(self, model: ContinuousThoughtMachine) -> dict[str, Any]:
        """An episode to watch in the page; of plain CartPole none, since the page plays it itself."""
        environment = self.config.environment
        if environment.id == "CartPole-v1" and environment.frame_skip == 1 and not environment.options:
            return {}
        try:
            steps = self._steps_for_page(model, drawn=True)
        except ConfigError:  # it cannot be drawn, which the page says
            steps = self._steps_for_page(model, drawn=False)
        return {
            "observations": torch.stack([step.observation for step in steps]).numpy(),
            "rewards": [step.reward for step in steps],
            "frames": [_as_url(step.frame) for step in steps if step.frame is not None],
        }

    def _steps_for_page(self, model: ContinuousThoughtMachine, drawn: bool) -> list[EpisodeStep]:
        act = Actor(Agent(model), 1, self.config.greedy, seed_from("actions", "watched", 0))
        return list(itertools.islice(watch(act, self.config.environment, 0, drawn), PAGE_STEPS))

    def animate(self, episode: RecordedEpisode, most: int = 150) -> "Iterator[np.ndarray]":
        """Frames (H, W, 3) of an episode, so many at most, the last one always."""
        from ctm.tasks.control.figures import episode_frames

        return episode_frames(episode, most)

    def figures(self, episode: RecordedEpisode) -> "Iterator[tuple[str, Figure]]":
        """Named pictures of an episode; the environment only if it was drawn."""
        from ctm.analysis.neurons import neuron_traces
        from ctm.tasks.control.figures import episode_picture
        from ctm.thoughts import Record

        if episode.frames:
            yield "episode", episode_picture(episode)
        record = Record(None, episode.activity.unsqueeze(0), None, None, None, ())
        yield "neurons", neuron_traces(record)

    def comparison_figures(
        self, models: Mapping[str, Sequence[ContinuousThoughtMachine]]
    ) -> "Iterator[tuple[str, Figure]]":
        """Named pictures of several models side by side: neurons over the same episode, as in Figure 35."""
        from ctm.analysis.neurons import neuron_traces_side_by_side

        episodes = {name: self.watch(seeds[0], seed=0, drawn=False) for name, seeds in models.items()}
        activity = {name: episode.activity.unsqueeze(0) for name, episode in episodes.items()}  # (1, S T, D)
        yield "neurons", neuron_traces_side_by_side(activity)


def _as_url(frame: "np.ndarray") -> str:
    """A small picture (H, W, 3) as the address of an image."""
    from PIL import Image

    picture, content = Image.fromarray(frame), io.BytesIO()
    picture.thumbnail((240, 240))
    picture.save(content, "JPEG", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def _backbone(own: BackboneConfig, seen: Observations, looks: bool) -> BackboneConfig:
    """A backbone for what is seen: the model's own if it takes that. One that `looks` needs several features."""
    if seen.kind == "grid":
        if isinstance(own, ModuleBackbone):
            return own
        cells = own if isinstance(own, GridCells.Config) else GridCells.Config()
        return cells.adapted_to_cells(seen.shape)
    vectors = FeatureTokens.Config() if looks else GatedPerceptron.Config()
    suitable = vectors if seen.kind == "vector" else ConvNet.Config((32, 64), (True, True))
    backbone = own.adapted(seen.shape) or suitable.adapted(seen.shape)
    assert backbone is not None
    return backbone


def _observer(own: ObserverConfig, backbone: BackboneConfig, seen: Observations) -> ObserverConfig:
    """An observer of the features of what is seen: the model's own if it looks, else one that sees all of them."""
    if own.uses_query:
        return own
    if backbone.dimensions == 0:
        return Direct.Config()
    return Pooling.Config(math.prod(seen.shape[:2]) if seen.kind == "grid" else None)
