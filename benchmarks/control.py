"""How fast an agent learns: an update on whole sequences, against the same update by the literal loop, step by step.

    python benchmarks/control.py cartpole/paper-5 cartpole/quick acrobot/paper-2

Both are in one process, take turns, and differentiate the same numbers; medians are reported. Then steps in
environments per second, of rollouts alone and of whole iterations.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

import ctm
from ctm.machine import State
from ctm.readouts import ActorCritic
from ctm.training.devices import launch
from ctm.training.ppo import PPOTrainer


class LiteralUnrolledAgent(torch.nn.Module):
    """The steps one by one, each a call of the literal loop, which reads and answers at every tick."""

    def __init__(self, agent: ctm.Agent) -> None:
        super().__init__()
        self.agent, self.oracle = agent, ctm.literal.from_model(agent.machine)

    def forward(self, observations: Tensor, started: Tensor, state: State) -> tuple[Tensor, Tensor]:
        said = []
        for seen, begins in zip(observations, started, strict=True):
            thoughts = self.oracle(seen, state=self.agent.reset(state, begins))
            state = thoughts.state
            said.append(thoughts.logits[:, -1])
        return ActorCritic.split(torch.stack(said))


def measure(preset: str, repeats: int) -> None:
    experiment = ctm.preset(preset).fitted()
    config = experiment.training
    trainer = PPOTrainer(experiment, experiment.task.build(), launch(config))
    trainer._collect()
    start = time.perf_counter()
    rollout = trainer._collect()
    acting = time.perf_counter() - start
    rows = torch.arange(config.environments // config.minibatches)
    advantages = torch.randn_like(rollout.rewards)
    ways = {"literal": LiteralUnrolledAgent(trainer._agent), "fast": trainer._model}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for repeat in range(repeats + 1):
        for way, module in ways.items():
            trainer._model = module
            start = time.perf_counter()
            trainer._update(rollout, advantages, rows)
            if repeat:
                seconds[way].append(time.perf_counter() - start)
    literal, fast = (statistics.median(seconds[way]) for way in ("literal", "fast"))
    iteration = acting + fast * config.epochs * config.minibatches
    print(
        f"{preset}: update of {len(rows)} x {config.steps} steps: literal {literal:.3f} s, fast {fast:.3f} s, "
        f"{literal / fast:.2f} times as fast; {config.samples / acting:,.0f} steps/s acting, "
        f"{config.samples / iteration:,.0f} steps/s learning",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for preset in options.presets:
        measure(preset, options.repeats)


if __name__ == "__main__":
    main()
