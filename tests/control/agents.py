"""Small agents, and an environment that asks for memory."""

from typing import Any, ClassVar

import gymnasium
import numpy as np

import ctm
from ctm.control.environments import EnvironmentConfig
from ctm.tasks.control import Control
from ctm.training import PPO, AdamW, Experiment, LinearDecay, NormClipping


def machine(core: str = "neurons", ticks: int = 2, features: int = 4, actions: int = 2) -> ctm.MachineConfig:
    """A machine for vectors, with the core of the paper's agents or of their baselines."""
    if core == "lstm":
        recurrence, output = ctm.LSTMCore.Config(12), ctm.Snapshot.Config()
    else:
        models = ctm.NeuronModels.Config(hidden=3)
        recurrence = ctm.NeuronCore.Config(16, 5, ctm.SynapseMLP.Config(blocks=2), models)
        output = ctm.WindowedSynchronization.Config(ctm.Dense(4), window=6)
    return ctm.MachineConfig(
        ticks=ticks,
        backbone=ctm.GatedPerceptron.Config(features, 8),
        observer=ctm.Direct.Config(),
        core=recurrence,
        output=output,
        readout=ctm.ActorCritic.Config(actions, hidden=16),
    )


def cartpole(core: str = "neurons", time_limit: int | None = 12, **training: Any) -> Experiment:
    """CartPole without velocities, for some small iterations; `training` changes fields of its training."""
    settings: dict[str, Any] = {
        "iterations": 6,
        "environments": 4,
        "steps": 6,
        "epochs": 2,
        "minibatches": 2,
        "optimizer": AdamW(1e-3, epsilon=1e-5),
        "schedule": LinearDecay(),
        "clipping": NormClipping(0.5),
        "accelerator": "cpu",
        "restart_every": 4,
        "log_every": 2,
        "evaluate_every": 3,
        "checkpoint_every": 1,
        "keep": 10,
    }
    return Experiment(
        task=Control.Config(EnvironmentConfig("CartPole-v1", mask=(1, 3), time_limit=time_limit), 3, 4),
        model=machine(core),
        training=PPO(**settings | training),
    )


class Recall(gymnasium.Env):
    """Shows 1 or -1 once, then nothing; after `delay` steps, the action that says which it was brings a reward."""

    metadata: ClassVar = {"render_modes": []}

    def __init__(self, delay: int = 2) -> None:
        self.delay = delay
        self.observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.cue, self.steps = int(self.np_random.integers(2)), 0
        return np.array([2 * self.cue - 1], np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.steps += 1
        over = self.steps > self.delay
        reward = float(over and int(action) == self.cue)
        return np.zeros(1, np.float32), reward, over, False, {}


if "Remembered-v0" not in gymnasium.registry:
    gymnasium.register("Remembered-v0", entry_point=Recall)
