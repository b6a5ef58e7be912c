"""What compiling the tick costs and brings: `python benchmarks/compiled.py digits parity/quick`.

Prints the seconds of the first step, which compiles, and the fewest seconds of a later step, of a machine as it is and
of one with a compiled tick, in turns. What was compiled before is found again in Inductor's cache, so that an honest
first step wants an empty one: `TORCHINDUCTOR_CACHE_DIR=$(mktemp -d)`.
"""

import argparse
from functools import partial

from steps import alternate, seconds

import ctm
from ctm.training.devices import launch
from ctm.training.supervised import SupervisedTrainer


def measure(name: str, repeats: int) -> str:
    """A line about the training of a preset, on one device."""
    experiment = ctm.preset(name)
    task, works, first = experiment.task.build(), {}, {}
    for compiles in (False, True):
        training = experiment.training.replace(compile=compiles)
        trainer = SupervisedTrainer(experiment.replace(training=training), task, launch(training))
        works[compiles] = partial(trainer.step, measure=False)
        device = trainer.fabric.device.type
        first[compiles] = seconds(works[compiles], device)
    fewest = {compiles: min(taken) for compiles, taken in alternate(works, repeats, device).items()}
    sides = ", ".join(
        f"{word} {first[compiles]:.2f} s the first step, {fewest[compiles] * 1e3:.1f} ms a later one"
        for compiles, word in ((False, "as it is"), (True, "compiled"))
    )
    return f"{name}: {sides}; {fewest[False] / fewest[True]:.2f} times as fast"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    for name in arguments.presets:
        print(measure(name, arguments.repeats), flush=True)


if __name__ == "__main__":
    main()
