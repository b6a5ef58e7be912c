"""Trains the models in the package and puts them into it: `make zoo`, in under three hours of a core.

Each is a run of its preset in `runs/zoo`; one that was stopped goes on, one that has ended is only saved again. Weights
are written as float16, which halves them; the scores of a card are those of the weights as they are saved.

    python tools/make_zoo.py [PRESET …] [--data FOLDER]       # of CIFAR-10, if not from the hub
"""

import argparse
import shutil
from pathlib import Path

import torch

import ctm
from ctm.files import folder_name
from ctm.hub.save import save
from ctm.hub.zoo import FOLDER
from ctm.training import Run, train

SEEDS = {
    "digits": 0,
    "parity/quick": 0,
    "mazes/quick": 0,
    "mazes/mixed": 0,
    "sort/quick": 0,
    "qamnist/quick": 0,
    "cifar10/quick": 2,
    "cartpole/quick": 0,
}
"""The presets, and the seed of each."""
RUNS = Path("runs/zoo")


def trained(name: str, data: str | None) -> Run:
    """The run of a preset, trained to its end."""
    path = RUNS / folder_name(name)
    if (path / "config.yaml").exists():
        run = Run.open(path)
    else:
        experiment = ctm.preset(name)
        experiment = experiment.replace(training=experiment.training.replace(seed=SEEDS.get(name, 0)))
        if data is not None and name.startswith("cifar10"):
            experiment = experiment.replace(task=experiment.task.replace(data=data))
        run = Run.create(
            path, experiment.fitted(), origin={"preset": name, "settings": {"training.seed": SEEDS.get(name, 0)}}
        )
    train(run)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=list(SEEDS))
    parser.add_argument("--data", help="a folder of CIFAR-10")
    given = parser.parse_args()
    for name in given.presets:
        run = trained(name, given.data)
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        save(run.path, FOLDER / name, dtype=torch.float16, license="apache-2.0")
        print(name, sum(path.stat().st_size for path in (FOLDER / name).iterdir()), "bytes")


if __name__ == "__main__":
    main()
