"""Where the time of a training step goes, operator by operator.

    python benchmarks/profile_step.py parity/paper-75 --ticks 20

`profile.md` gets the table that is printed; a first step warms up and is not in it.
"""

import argparse
from pathlib import Path

import torch
from cases import SETTINGS, case
from steps import MACHINES, PRECISIONS, Bench, Variant
from surroundings import described, machine, table
from torch.profiler import ProfilerActivity, profile

LEAST_SHARE = 0.001
"""Operators below are left out of the table."""


def main() -> None:
    """Profiles, writes and prints."""
    options = parsed()
    measured = case(options.configuration).resized(options.batch, options.ticks)
    variant = Variant(options.machine, options.precision)
    heading = (
        f"{measured.name}, {variant.machine}, {variant.precision}: one training step of {measured.batch} samples, "
        f"{measured.config.ticks} ticks, {torch.get_num_threads()} threads\n{described(machine(options.device))}"
    )
    text = f"{heading}\n\n{operators(Bench(measured, options.device), variant)}"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "profile.md").write_text(text)
    print(text)


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configuration", choices=SETTINGS)
    parser.add_argument("--machine", choices=MACHINES, default="ours")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="bf16 is autocast")
    parser.add_argument("--ticks", type=int, help="instead of the paper's")
    parser.add_argument("--batch", type=int, help="instead of the paper's")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the machine is")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for what is written")
    return parser.parse_args()


def operators(bench: Bench, variant: Variant) -> str:
    """The operators of a training step with the time spent in each itself, most first."""
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (bench.device == "cuda")
    bench.step(variant)
    with profile(activities=activities) as profiler:
        bench.step(variant)
    spent = f"self_{'device' if bench.device == 'cuda' else 'cpu'}_time_total"  # microseconds
    events = sorted(profiler.key_averages(), key=lambda event: getattr(event, spent), reverse=True)
    total = sum(getattr(event, spent) for event in events)
    rows = [
        (event.key, f"{getattr(event, spent) / 1e3:.1f}", f"{getattr(event, spent) / total:.1%}", str(event.count))
        for event in events
        if getattr(event, spent) >= LEAST_SHARE * total
    ]
    return table(("operator", "self ms", "share", "calls"), [*rows, ("total", f"{total / 1e3:.1f}", "100.0%", "")])


if __name__ == "__main__":
    main()
