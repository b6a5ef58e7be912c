"""How time and memory of a training step grow with ticks, neurons and samples, ours and the oracle's.

    python benchmarks/growth.py --ticks 10 50 100 --out docs/benchmarks

One of the three varies, the others stay as in the configuration. Both costs are given per tick: what is flat over ticks
grows no faster than the thinking does. `growth.json` gets every number, `growth-time.png` and `growth-memory.png`
show them.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cases import SETTINGS, Case, case
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from memory import peak
from steps import MACHINES, Bench, Variant, alternate, summary
from surroundings import described, keep, machine, progress

from ctm.analysis.style import BLUE, MUTED, ORANGE, canvas, styled

SWEEPS = {
    "ticks": (10, 25, 50, 100, 200, 400),
    "neurons": (64, 128, 256, 512, 1024),
    "batch": (8, 32, 128, 512),
}
"""What varies, and how far by default."""

COLOURS = dict(zip(MACHINES, (ORANGE, BLUE), strict=True))


def main() -> None:
    """Measures, writes and draws."""
    options = parsed()
    where, base = machine(options.device), case(options.configuration)
    results = [
        {"varied": varied, varied: size, **costs(resized(base, varied, size), options.repeats, options.device)}
        for varied in SWEEPS
        for size in getattr(options, varied)
    ]
    keep(options.out, "growth", {"machine": where, "configuration": base.name, "results": results})
    for cost, label, scale in (("time", "ms a tick", 1e3), ("memory", "MB a tick", 1e-6)):
        figure = drawn(results, cost, label, scale)
        figure.text(0.01, 0.015, f"One training step of {base.name}. {described(where)}", color=MUTED, fontsize=6.5)
        figure.savefig(options.out / f"growth-{cost}.png")


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configuration", choices=SETTINGS, default="digits", help="where the sweeps start from")
    for varied, sizes in SWEEPS.items():
        parser.add_argument(f"--{varied}", type=int, nargs="+", default=sizes)
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count, after one that does not")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the machines are")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for what is written")
    return parser.parse_args()


def resized(case: Case, varied: str, size: int) -> Case:
    """The case with one of its sizes changed."""
    if varied == "neurons":
        return replace(case, config=replace(case.config, core=replace(case.config.core, neurons=size)))
    return case.resized(**{varied: size})


def costs(case: Case, repeats: int, device: str) -> dict[str, Any]:
    """Seconds and bytes of a training step per tick, of both machines."""
    ticks = case.config.ticks
    progress(f"{case.name}: {ticks} ticks, {case.config.core.neurons} neurons, {case.batch} samples")
    bench = Bench(case, device)
    variants = {machine: Variant(machine, "fp32") for machine in MACHINES}
    works = {machine: partial(bench.step, variant) for machine, variant in variants.items()}
    taken = alternate(works, repeats, device)
    return {
        machine: {
            "time": summary(taken[machine])["median"] / ticks,
            "memory": peak(case, variant, device) / ticks,
        }
        for machine, variant in variants.items()
    }


@styled()
def drawn(results: list[dict[str, Any]], cost: str, label: str, scale: float) -> Figure:
    """A cost per tick against each of what was varied."""
    figure = canvas(height=2.9)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.23, top=0.9, wspace=0.28)
    for axes, varied in zip(figure.subplots(1, len(SWEEPS)), SWEEPS, strict=True):
        _panel(axes, [result for result in results if result["varied"] == varied], varied, cost, scale)
        axes.set_ylabel(label)
    return figure


def _panel(axes: Axes, results: list[dict[str, Any]], varied: str, cost: str, scale: float) -> None:
    sizes = [result[varied] for result in results]
    for name, colour in COLOURS.items():
        values = [result[name][cost] * scale for result in results]
        axes.plot(sizes, values, color=colour, marker="o", markersize=3, label=name)
    axes.set_xscale("log")
    axes.set_xticks(sizes, list(map(str, sizes)))
    axes.minorticks_off()
    axes.set(title=f"Over {varied}", xlabel=varied)
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    axes.legend(loc="best")


if __name__ == "__main__":
    main()
