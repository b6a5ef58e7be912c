"""Acting: the paper's agents (G.6, Tables 7 to 10), small ones for a laptop, and one for any environment."""

import functools
from typing import Any

import ctm
from ctm.backbones import GatedPerceptron, GridCells
from ctm.backbones.base import BackboneConfig
from ctm.control.environments import EnvironmentConfig
from ctm.control.models import control_lstm, control_machine
from ctm.registry import register
from ctm.tasks.control.task import Control
from ctm.training import PPO, AdamW, LinearDecay, NormClipping

CARTPOLE = EnvironmentConfig("CartPole-v1", mask=(1, 3), time_limit=200)
ACROBOT = EnvironmentConfig("Acrobot-v1", mask=(4, 5), time_limit=500)
FOUR_ROOMS = EnvironmentConfig("MiniGrid-FourRooms-v0", options={"max_steps": 300})
SMALL_FOUR_ROOMS = EnvironmentConfig("MiniGrid-SmallFourRooms-v0", options={"size": 9, "max_steps": 100})


def cartpole(ticks: int, memory: int, lstm: int | None = None) -> ctm.Experiment:
    """CartPole without velocities, as in the paper (Tables 7 and 10)."""
    sizes = {"neurons": 128, "hidden": 4, "listening": 16}
    model = _model(GatedPerceptron.Config(4, 128), 2, ticks, memory, lstm, **sizes)
    settings = _ppo(10_000_000, environments=256, steps=50, learning_rate=1e-3, epochs=4)
    return ctm.Experiment(Control.Config(CARTPOLE), model, settings)


def acrobot(ticks: int, memory: int, lstm: int | None = None) -> ctm.Experiment:
    """Acrobot without velocities, as in the paper (Tables 8 and 10)."""
    sizes = {"neurons": 256, "hidden": 4, "listening": 16}
    model = _model(GatedPerceptron.Config(6, 64), 3, ticks, memory, lstm, **sizes)
    settings = _ppo(2_000_000, environments=12, steps=100, learning_rate=5e-4, epochs=1)
    return ctm.Experiment(Control.Config(ACROBOT), model, settings)


def four_rooms(ticks: int, memory: int, lstm: int | None = None) -> ctm.Experiment:
    """Four rooms of MiniGrid, as in the paper (Tables 9 and 10)."""
    sizes = {"neurons": 512, "hidden": 16, "listening": 32}
    model = _model(GridCells.Config(128), 7, ticks, memory, lstm, cells=49, **sizes)
    settings = _ppo(300_000_000, environments=256, steps=50, learning_rate=1e-4, epochs=1)
    return ctm.Experiment(Control.Config(FOUR_ROOMS), model, settings)


_PAPER: dict[str, tuple[Any, list[tuple[int, int, int]]]] = {
    "cartpole": (cartpole, [(1, 10, 118), (2, 20, 126), (5, 50, 148)]),
    "acrobot": (acrobot, [(1, 5, 243), (2, 10, 249), (5, 25, 265)]),
    "four-rooms": (four_rooms, [(1, 10, 294), (2, 20, 300)]),
}
"""By environment: ticks, memory, and the width of the LSTM with as many parameters."""

for _name, (_make, _sizes) in _PAPER.items():
    for _ticks, _memory, _lstm in _sizes:
        register(f"{_name}/paper-{_ticks}")(functools.partial(_make, _ticks, _memory))
        register(f"{_name}/lstm-{_ticks}", f"An LSTM in its place, with as many parameters ({_name}, G.6).")(
            functools.partial(_make, _ticks, _memory, _lstm)
        )


@register("control")
def control() -> ctm.Experiment:
    """Any environment of Gymnasium: --task.environment.id ID; the model is adapted to what is seen and done there."""
    return _quick(CARTPOLE.replace(mask=(), time_limit=None), GatedPerceptron.Config(4, 64), 2, iterations=200)


@register("cartpole/quick")
def cartpole_quick() -> ctm.Experiment:
    """CartPole without velocities: two or three minutes on a laptop."""
    return _quick(CARTPOLE, GatedPerceptron.Config(4, 64), 2, iterations=60)


@register("cartpole/quick-lstm")
def cartpole_quick_lstm() -> ctm.Experiment:
    """As `cartpole/quick`, with an LSTM of as many parameters."""
    return _with_lstm(cartpole_quick())


@register("acrobot/quick")
def acrobot_quick() -> ctm.Experiment:
    """Acrobot without velocities: ten minutes on a laptop."""
    return _quick(ACROBOT, GatedPerceptron.Config(6, 64), 3, iterations=60, steps=100, entropy_weight=0.02)


@register("acrobot/quick-lstm")
def acrobot_quick_lstm() -> ctm.Experiment:
    """As `acrobot/quick`, with an LSTM of as many parameters."""
    return _with_lstm(acrobot_quick())


@register("four-rooms/quick")
def four_rooms_quick() -> ctm.Experiment:
    """Four rooms of MiniGrid, 9 cells wide instead of 19: twenty minutes on a laptop."""
    return _quick(SMALL_FOUR_ROOMS, GridCells.Config(16), 7, iterations=400, cells=49, entropy_weight=0.01)


def _model(
    backbone: BackboneConfig,
    actions: int,
    ticks: int,
    memory: int,
    lstm: int | None,
    cells: int | None = None,
    **sizes: int,
) -> ctm.MachineConfig:
    if lstm is not None:
        return control_lstm(backbone, actions, ticks=ticks, neurons=lstm, cells=cells)
    return control_machine(backbone, actions, ticks=ticks, memory=memory, cells=cells, **sizes)  # ty: ignore


def _quick(
    environment: EnvironmentConfig,
    backbone: BackboneConfig,
    actions: int,
    iterations: int,
    steps: int = 50,
    cells: int | None = None,
    **settings: Any,
) -> ctm.Experiment:
    """A machine of 64 neurons that thinks for two ticks about each observation, in 32 environments."""
    sizes = {"neurons": 64, "hidden": 4, "listening": 16}
    model = _model(backbone, actions, 2, 10, None, cells, **sizes)
    total = iterations * 32 * steps
    training = _ppo(total, environments=32, steps=steps, learning_rate=1e-3, epochs=4, **settings)
    every = max(1, iterations // 10)
    return ctm.Experiment(
        Control.Config(environment),
        model,
        training.replace(log_every=5, evaluate_every=every, checkpoint_every=every),
    )


def _with_lstm(experiment: ctm.Experiment) -> ctm.Experiment:
    return experiment.replace(model=ctm.baselines.lstm(experiment.model))


def _ppo(total: int, environments: int, steps: int, learning_rate: float, epochs: int, **others: Any) -> PPO:
    """The settings of Table 10, for so many steps in all environments together."""
    return PPO(
        iterations=total // (environments * steps),
        environments=environments,
        steps=steps,
        epochs=epochs,
        optimizer=AdamW(learning_rate, epsilon=1e-5),
        schedule=LinearDecay(),
        clipping=NormClipping(0.5),
        log_every=10,
        evaluate_every=100,
        checkpoint_every=100,
        **others,
    )
