"""Learning by acting: proximal policy optimisation over whole sequences (Schulman et al. 2017; appendix G.6)."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ctm.control.advantages import generalised_advantages
from ctm.control.agent import Agent
from ctm.control.ppo_terms import ppo_terms
from ctm.control.reward_scale import RewardScale
from ctm.control.rollouts import Rollout, RolloutCollector
from ctm.control.unrolled import UnrolledAgent
from ctm.errors import ConfigError
from ctm.inputs import tree_leaves, tree_map
from ctm.machine import MachineConfig
from ctm.randomness import generator, seed_from
from ctm.running import RunningNorm
from ctm.tasks.base import BaseTaskConfig, Split
from ctm.training.config import Experiment, LearningConfig
from ctm.training.devices import reduced
from ctm.training.trainer import Trainer

if TYPE_CHECKING:
    from lightning.fabric import Fabric


@dataclass(frozen=True)
class PPO(LearningConfig, kind="ppo"):
    """How to learn by acting; an iteration is a rollout, and the updates that learn from it."""

    environments: int = 8
    """Environments side by side, over all processes."""
    steps: int = 50
    """Steps of a rollout in each."""
    epochs: int = 4
    """How often an iteration learns from its rollout."""
    minibatches: int = 4
    """Updates of an epoch, each on the whole sequences of some environments."""
    discount: float = 0.99
    """gamma, what a reward is worth a step later."""
    trace_decay: float = 0.95
    """lambda of generalised advantage estimation."""
    clip: float = 0.1
    """Ratios of probabilities have a gradient within 1 - clip and 1 + clip."""
    entropy_weight: float = 0.1
    """Of the policy's entropy, which is to stay large."""
    value_weight: float = 0.25
    """Of half the squared error of the values."""
    truncation: Literal["bootstrap", "terminal"] = "bootstrap"
    """What is expected after an episode that was cut off: what the values say of its last observation, or nothing, as
    in the authors' code."""
    scale_rewards: bool = True
    """Divide rewards by the deviation of the discounted returns so far; reported returns are never scaled."""
    restart_every: int = 25
    """Iterations after which all environments begin new episodes. A run that goes on from a checkpoint takes once more
    the actions since then, which brings environments back to where they were."""

    @property
    def samples(self) -> int:
        return self.environments * self.steps

    def validate(self) -> None:
        super().validate()
        for name in ("environments", "steps", "epochs", "minibatches", "restart_every"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        for name in ("discount", "trace_decay"):
            self.require(0 <= getattr(self, name) <= 1, name, "0 to 1")
        self.require(self.clip > 0, "clip", "above 0")
        for name in ("entropy_weight", "value_weight"):
            self.require(getattr(self, name) >= 0, name, "0 or more")
        parts = self.minibatches * self.devices * self.nodes
        expected = f"a multiple of minibatches * devices * nodes = {parts}"
        self.require(self.environments % parts == 0, "environments", expected)

    def check(self, task: BaseTaskConfig, model: MachineConfig) -> None:
        if not task.acts:
            raise ConfigError(f"training.kind = {self.kind!r}: the task {task.kind!r} has no environment to act in")
        task.check(model, model.ticks)


class PPOTrainer(Trainer):
    """Learns from what happens in environments; the model is in evaluation mode throughout, without dropout."""

    scored_splits: ClassVar[tuple[Split, ...]] = ("validation",)

    def __init__(self, experiment: Experiment, task: Any, fabric: "Fabric") -> None:
        super().__init__(experiment, task, fabric)
        self._agent = Agent(self.model)
        self._model.eval()
        config = self.config
        self._rank, processes = fabric.global_rank, fabric.world_size
        count = config.environments // processes
        scale = RewardScale(count, config.discount) if config.scale_rewards else None
        self._rollouts = RolloutCollector(self._agent, task.environments(count), scale)

    def learning_module(self) -> nn.Module:
        return UnrolledAgent(Agent(self.model))

    def step(self, measure: bool) -> dict[str, float] | None:
        """A rollout, and what is learned from it.

        Raises:
            RunError: if an environment fails.
        """
        config = self.config
        learning_rate = self.set_learning_rate()
        rollout = self._collect()
        advantages = generalised_advantages(
            rollout.rewards,
            rollout.values,
            rollout.terminated,
            rollout.truncated,
            config.discount,
            config.trace_decay,
            config.truncation == "bootstrap",
        )
        measured = []
        for epoch in range(config.epochs):
            order = torch.randperm(rollout.started.shape[1], generator=self._generator("minibatches", epoch))
            for rows in order.chunk(config.minibatches):
                measured.append(self._update(rollout, advantages, rows))
        self._take_in(rollout.observations)
        self.iteration += 1
        if not measure:
            return None
        return self.mean_metrics(measured) | {"learning_rate": learning_rate} | self._finished()

    def scores(self, model: nn.Module, split: Split) -> dict[str, Any]:
        with self.fabric.autocast():
            return self.task.scores(model, split, self.config.evaluation_batch)

    def _collect(self) -> Rollout:
        config = self.config
        if self.iteration % config.restart_every == 0:
            self._rollouts.restart(self._environment_seed(self.iteration))
        with self.fabric.autocast():
            return self._rollouts.collect(config.steps, self._generator("actions"))

    def _update(self, rollout: Rollout, advantages: Tensor, rows: Tensor) -> dict[str, Tensor]:
        """A step of the optimiser on some environments of a rollout."""
        config, device = self.config, self.fabric.device
        observations, actions, acted, gained, counts, expected = (
            part[:, rows].to(device)
            for part in (
                *(rollout.observations, rollout.actions, rollout.log_probabilities, advantages, rollout.counts),
                advantages + rollout.values[:-1],
            )
        )
        state = tree_map(lambda tensor: tensor[rows.to(device)], rollout.state)
        numbers, values = self._model(observations, rollout.started[:, rows], state)
        policy = self._agent.policy(numbers)
        terms = ppo_terms(
            policy.log_prob(actions),
            policy.entropy(),
            values.float(),
            acted,
            gained,
            expected,
            counts,
            config.clip,
        )
        loss = terms.policy + config.value_weight * terms.value - config.entropy_weight * terms.entropy
        self.fabric.backward(loss)
        self.watch_loss(loss)
        norm = self.optimizer_step()
        named = {"policy_loss": terms.policy, "value_loss": terms.value, **terms._asdict()}
        named = {name: value.detach() for name, value in named.items() if name not in ("policy", "value")}
        return {"loss": loss.detach()} | named | {"gradient_norm": norm.detach()}

    def _take_in(self, observations: Tensor) -> None:
        """Counts the observations of all processes in, where the model takes them in units of how much they vary."""
        norms = [module for module in self.model.modules() if isinstance(module, RunningNorm)]
        if norms:
            seen = self._of_all(observations).flatten(0, 2)  # (processes L B, *shape)
            for norm in norms:
                norm.take_in(seen)

    def _finished(self) -> dict[str, float]:
        """Mean return and length of the episodes that were finished since the last time, over all processes."""
        episodes = self._rollouts.episodes()
        sums = torch.stack([episodes.returns.sum(), episodes.lengths.sum(), torch.tensor(len(episodes.rows))])
        returns, lengths, count = reduced(self.fabric, sums.to(self.fabric.device, torch.float32), "sum").tolist()
        mean = {"return": returns / count, "length": lengths / count} if count else {}
        return {"return": float("nan"), "length": float("nan")} | mean | {"episodes": count}

    def tensors(self) -> dict[str, Tensor]:
        return super().tensors() | {name: self._of_all(tensor) for name, tensor in self._rollout_tensors().items()}

    def restore_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        life = {name: tensor[self._rank] for name, tensor in tensors.items() if name.startswith("rollouts.")}
        rollouts, device = self._rollouts, self.fabric.device
        rollouts.started, rollouts.over = life["rollouts.started"], life["rollouts.over"]
        numbers = itertools.count()
        rollouts.state = tree_map(lambda _: life[f"rollouts.state.{next(numbers)}"].to(device), rollouts.state)
        if rollouts.scale is not None:
            rollouts.scale.returns = life["rollouts.scale.returns"]
            rollouts.scale.statistics = life["rollouts.scale.statistics"]
        if self._since_restart:
            seed = self._environment_seed(self.iteration - self._since_restart)
            rollouts.environments.restore(
                {
                    "seed": torch.tensor(seed),
                    "actions": life["rollouts.actions"][: self._since_restart * self.config.steps],
                    "drained": life["rollouts.drained"],
                    "observations": life["rollouts.observations"],
                }
            )

    @property
    def _since_restart(self) -> int:
        """Iterations since all environments began new episodes; 0 if they do so in the coming one."""
        return self.iteration % self.config.restart_every

    def _rollout_tensors(self) -> dict[str, Tensor]:
        """Where this process is in its environments, always of the same shapes."""
        rollouts = self._rollouts
        spaces, count = rollouts.environments.spaces, rollouts.environments.count
        steps = self.config.restart_every * self.config.steps
        actions = torch.zeros(steps, count, *spaces.actions.shape, dtype=spaces.actions.dtype)
        observations = torch.zeros(count, *spaces.observations.shape)
        drained = torch.tensor(0)
        if self._since_restart:
            state = rollouts.environments.state()
            actions[: len(state["actions"])] = state["actions"]
            observations, drained = state["observations"], state["drained"]
        life = {"actions": actions, "observations": observations, "drained": drained}
        life |= {"started": rollouts.started, "over": rollouts.over}
        life |= {f"state.{number}": leaf for number, leaf in enumerate(tree_leaves(rollouts.state))}
        if rollouts.scale is not None:
            life |= {"scale.returns": rollouts.scale.returns, "scale.statistics": rollouts.scale.statistics}
        return {f"rollouts.{name}": tensor for name, tensor in life.items()}

    def _of_all(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, (processes, …)."""
        tensor = tensor.to(self.fabric.device)
        parts = [torch.empty_like(tensor) for _ in range(self.fabric.world_size)]
        if len(parts) == 1:
            return tensor.unsqueeze(0)
        torch.distributed.all_gather(parts, tensor.contiguous())
        return torch.stack(parts)

    def _generator(self, purpose: str, *which: int) -> torch.Generator:
        return generator(self.config.seed, purpose, self.iteration, self._rank, *which)

    def _environment_seed(self, iteration: int) -> int:
        return seed_from(self.config.seed, "environments", iteration, self._rank) % 2**31
