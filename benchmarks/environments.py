"""Steps a second of environments in which an agent acts at random.

OMP_NUM_THREADS=1 python benchmarks/environments.py --count 64
"""

import argparse

import torch
from steps import alternate, summary

from ctm.control import EnvironmentConfig, Environments

CASES = {
    "CartPole, computed together": (EnvironmentConfig("CartPole-v1"), False),
    "CartPole, in turns": (EnvironmentConfig("CartPole-v1"), True),
    "Acrobot": (EnvironmentConfig("Acrobot-v1"), False),
    "FourRooms": (EnvironmentConfig("MiniGrid-FourRooms-v0"), False),
}
"""Environments, and whether they are made so that they can be drawn, which they can only in turns."""


def steps(environments: Environments, number: int) -> None:
    """Takes a number of steps everywhere."""
    environments.reset(0)
    actions = torch.randint(environments.spaces.actions.count, (number, environments.count))
    for taken in actions:
        environments.step(taken)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=64, help="environments side by side")
    parser.add_argument("--steps", type=int, default=100, help="steps a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    made = {name: config.build(arguments.count, drawn) for name, (config, drawn) in CASES.items()}
    taken = alternate(
        {name: lambda each=each: steps(each, arguments.steps) for name, each in made.items()}, arguments.repeats, "cpu"
    )
    print("| environments | steps a second |\n| --- | --- |")
    for name in made:
        print(f"| {name} | {arguments.count * arguments.steps / summary(taken[name])['median']:,.0f} |")
