"""How well and how fast an agent learns, beside an LSTM that learns by sb3-contrib's RecurrentPPO.

    OMP_NUM_THREADS=1 python benchmarks/recurrent_ppo.py cartpole/quick --steps 48000 --seeds 0 1 2 --out FOLDER
    OMP_NUM_THREADS=1 python benchmarks/recurrent_ppo.py --run runs/cartpole --out FOLDER

Both have the same environments, about as many parameters, and the settings of the preset or the run. Different are:
sb3 has an LSTM each for policy and value, minibatches of consecutive steps instead of whole sequences, and environments
that take turns, where ours are computed together if Gymnasium can. Ours thinks for several ticks about an observation,
and spends a step on the last one of an episode. A run has also begun new episodes everywhere now and then
(`training.restart_every`); ours that learns here does not, as RecurrentPPO cannot.

With `--out`, `recurrent_ppo.json` gets every number, `recurrent_ppo.md` the table that is printed, `recurrent_ppo.png`
the curves.
"""

import argparse
import bisect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from surroundings import described, keep, machine, progress, table
from torch import nn

import ctm
from ctm.analysis.style import BLUE, MUTED, ORANGE, canvas, styled
from ctm.control import EnvironmentConfig
from ctm.control.spaces import readable
from ctm.training import PPO, Run
from ctm.training.devices import launch
from ctm.training.ppo import PPOTrainer

COLOURS = {"ours": BLUE, "RecurrentPPO": ORANGE}
COLUMNS = ("learner", "seed", "parameters", "return", "at the end", "steps/s", "steps/s of processor time")
EXPLANATION = """
*return*: the mean over the episodes of the training, whose actions are drawn; *at the end*: over those that finished in
the last tenth of its steps. *steps/s*: in all environments together, acting and learning, without evaluations; *of
processor time*: the same, which other programs disturb less. A run that is read is not timed.
"""


def main() -> None:
    """Learns, prints, writes and draws."""
    options, experiment, run = parsed()
    torch.set_num_threads(1)
    results = [read(run)] if run else []
    for seed in options.seeds:
        seeded = experiment.replace(training=experiment.training.replace(seed=seed))
        results += [] if run else [ours(seeded)]
        results.append(yardstick(seeded))
    where, config = machine("cpu"), experiment.training
    steps = f"{config.iterations * config.samples:,} steps in {config.environments} environments"
    title = f"{run.path.name if run else options.preset}: {steps}"
    text = f"{title}. {described(where)}\n\n{table(COLUMNS, map(row, results))}{EXPLANATION}"
    if options.out:
        keep(options.out, "recurrent_ppo", {"machine": where, "experiment": experiment.to_dict(), "results": results})
        (options.out / "recurrent_ppo.md").write_text(text)
        figure = drawn(results, title)
        figure.text(0.01, 0.015, described(where), color=MUTED, fontsize=6.5)
        figure.savefig(options.out / "recurrent_ppo.png")
    print(text)


def parsed() -> tuple[argparse.Namespace, ctm.Experiment, Run | None]:
    """What the command line says, the experiment, and the run if there is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", nargs="?", default="cartpole/quick", help="of an agent that sees a vector")
    parser.add_argument("--run", type=Path, help="folder of a finished run, whose curve is ours, instead of a preset")
    parser.add_argument("--steps", type=int, help="in all environments together, instead of the preset's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of RecurrentPPO, and of ours if it learns")
    parser.add_argument("--out", type=Path, help="folder for what is written")
    options = parser.parse_args()
    if options.run and options.steps:
        parser.error("--steps: a run has its own")
    run = Run.open(options.run) if options.run else None
    experiment = run.experiment if run else ctm.preset(options.preset).fitted()
    config: Any = experiment.training
    if not isinstance(config, PPO) or experiment.task.environment.spaces().observations.kind != "vector":
        parser.error("expected an agent that sees a vector, such as cartpole/quick")
    iterations = config.iterations if options.steps is None else options.steps // config.samples
    if iterations < 1:
        parser.error(f"--steps {options.steps}: expected at least {config.samples}, those of an iteration")
    return options, experiment.replace(training=config.replace(iterations=iterations, accelerator="cpu")), run


def ours(experiment: ctm.Experiment) -> dict[str, Any]:
    """Learns as `ctm train` does, without evaluations and checkpoints."""
    config: Any = experiment.training
    progress(f"ours, seed {config.seed}")
    experiment = experiment.replace(training=config.replace(restart_every=config.iterations))
    trainer = PPOTrainer(experiment, experiment.task.build(), launch(config))
    lines: list[Any] = []
    seconds = timed(lambda: lines.extend(trainer.step(measure=True) for _ in range(config.iterations)))
    lines = [{**line, "iteration": iteration} for iteration, line in enumerate(lines, start=1)]
    return result("ours", config, trainer.model, curve(lines, config.samples), seconds)


def read(run: Run) -> dict[str, Any]:
    """What a run wrote down while it learned."""
    config: Any = run.experiment.training
    lines = [line for line in run.complete_metrics() if "split" not in line]
    return result("ours", config, run.load_model("last"), curve(lines, config.samples), None)


def yardstick(experiment: ctm.Experiment) -> dict[str, Any]:
    """Learns by RecurrentPPO."""
    config: Any = experiment.training
    progress(f"RecurrentPPO, seed {config.seed}")
    learner = recurrent_ppo(experiment)
    returns: list[list[float]] = [[] for _ in range(config.iterations)]

    def note(inside: Mapping[str, Any], _: object) -> bool:
        finished = [float(info["episode"]["r"]) for info in inside["infos"] if "episode" in info]
        returns[(learner.num_timesteps - 1) // config.samples].extend(finished)
        return True

    seconds = timed(lambda: learner.learn(config.iterations * config.samples, callback=note))
    lines = [
        {"iteration": iteration, "return": np.mean(found).item() if found else None, "episodes": len(found)}
        for iteration, found in enumerate(returns, start=1)
    ]
    return result("RecurrentPPO", config, learner.policy, curve(lines, config.samples), seconds)


def recurrent_ppo(experiment: ctm.Experiment) -> Any:
    """An LSTM to learn as an experiment says."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor, VecNormalize

    config: Any = experiment.training
    optimizer = config.optimizer
    made = [lambda: masked(experiment.task.environment)] * config.environments
    environments: VecEnv = VecMonitor(DummyVecEnv(made))  # returns are noted before rewards are scaled
    if config.scale_rewards:
        environments = VecNormalize(environments, norm_obs=False, gamma=config.discount, clip_reward=math.inf)
    descent = {"betas": optimizer.betas, "eps": optimizer.epsilon, "weight_decay": optimizer.weight_decay}
    policy = {"activation_fn": nn.ReLU, "optimizer_class": torch.optim.AdamW, "optimizer_kwargs": descent}
    spaces = environments.observation_space, environments.action_space
    width = hidden_size(parameters(experiment.model.build()), *spaces, policy)

    def learning_rate(remaining: float) -> float:
        """Of an iteration, when its steps are taken already."""
        iteration = max(0, round((1 - remaining) * config.iterations) - 1)
        return config.schedule.learning_rate(iteration, config.iterations, optimizer.learning_rate)

    return RecurrentPPO(
        "MlpLstmPolicy",
        environments,
        learning_rate,
        n_steps=config.steps,
        batch_size=config.samples // config.minibatches,
        n_epochs=config.epochs,
        gamma=config.discount,
        gae_lambda=config.trace_decay,
        clip_range=config.clip,
        ent_coef=config.entropy_weight,
        vf_coef=config.value_weight / 2,  # ours is the weight of half the squared error
        max_grad_norm=getattr(config.clipping, "norm", math.inf),
        policy_kwargs={**policy, "lstm_hidden_size": width},
        seed=config.seed,
        device="cpu",
    )


def masked(config: EnvironmentConfig) -> Any:
    """An environment of ours, as one of Gymnasium alone."""
    import gymnasium

    environment = readable(config.make())
    kept = np.ones(environment.observation_space.shape, np.float32)
    kept[list(config.mask)] = 0
    space = environment.observation_space
    return gymnasium.wrappers.TransformObservation(environment, lambda seen: seen * kept, space)


def hidden_size(expected: int, observations: Any, actions: Any, policy: Mapping[str, Any]) -> int:
    """That of the smallest LSTMs with which a policy has as many parameters."""
    from sb3_contrib.ppo_recurrent import MlpLstmPolicy

    def count(width: int) -> int:
        return parameters(MlpLstmPolicy(observations, actions, lambda _: 0.0, lstm_hidden_size=width, **policy))

    widths = range(1, 1025)
    return widths[bisect.bisect_left(widths[:-1], expected, key=count)]


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Seconds by the clock, and of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def curve(lines: Sequence[Mapping[str, Any]], samples: int) -> list[dict[str, float]]:
    """Mean returns of the episodes that finished since the line before, and how many there were."""
    return [
        {"steps": line["iteration"] * samples, "return": line["return"], "episodes": line["episodes"]}
        for line in lines
        if line["episodes"]
    ]


def result(
    learner: str, config: Any, model: nn.Module, points: list[dict[str, float]], seconds: dict[str, float] | None
) -> dict[str, Any]:
    """How one learned, as it is written."""
    steps = config.iterations * config.samples
    return {
        "learner": learner,
        "seed": config.seed,
        "parameters": parameters(model),
        "return": mean(points),
        "return_at_the_end": mean([point for point in points if point["steps"] > 0.9 * steps]),
        "seconds": seconds,
        "steps_per_second": seconds and {name: steps / value for name, value in seconds.items()},
        "curve": points,
    }


def mean(points: Sequence[Mapping[str, float]]) -> float | None:
    """The mean return of all episodes; nothing if there were none."""
    episodes = sum(point["episodes"] for point in points)
    return sum(point["return"] * point["episodes"] for point in points) / episodes if episodes else None


def row(result: dict[str, Any]) -> list[str]:
    """A result as cells of the table."""
    returns = (result["return"], result["return_at_the_end"])
    speeds = result["steps_per_second"] or {"wall": None, "processor": None}
    return [
        result["learner"],
        str(result["seed"]),
        f"{result['parameters']:,}",
        *("–" if value is None else f"{value:.1f}" for value in returns),
        *("–" if value is None else f"{value:,.0f}" for value in speeds.values()),
    ]


@styled()
def drawn(results: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Returns against steps: iterations faintly, and the mean over the episodes of the tenth before each."""
    figure = canvas(height=3.4)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.19, top=0.9)
    axes = figure.subplots()
    for result in results:
        points, colour = result["curve"], COLOURS[result["learner"]]
        window = max(1, len(points) // 10)
        steps = [point["steps"] for point in points]
        smooth = [mean(points[max(0, end - window) : end]) for end in range(1, len(points) + 1)]
        axes.plot(steps, [point["return"] for point in points], color=colour, alpha=0.25, linewidth=0.8)
        axes.plot(steps, smooth, color=colour, label=result["learner"])
    named = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))  # once, however many seeds
    axes.legend(named.values(), named.keys(), loc="upper left")
    axes.set(title=title, xlabel="steps in environments", ylabel="return of training episodes")
    axes.grid(axis="y")
    return figure


if __name__ == "__main__":
    main()
