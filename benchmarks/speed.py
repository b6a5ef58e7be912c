"""How fast the machines of the paper are, against the oracle in the same process.

    python benchmarks/speed.py parity/paper-75 --threads 1 all --precision fp32 bf16 --out docs/benchmarks

Timed in turns: the forward pass without gradients, and the training step. `speed.json` gets every number, `speed.md`
the table that is printed.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from cases import SETTINGS, case
from memory import fitting
from steps import PRECISIONS
from surroundings import described, keep, machine, table

from comparison import compared

COLUMNS = ("configuration", "batch", "ticks", "threads", "precision", "forward s", "ratio", "step s", "ratio")
MORE_COLUMNS = ("fp32 ratio", "ms a tick", "memory MB", "ratio", "recomputing", "× step", "GFLOP/s", "of a product's")
EXPLANATION = """
Oracle → ours, medians; ± is half the range of ours; ratios are oracle / ours. A step is the forward pass, the loss and
the backward pass. *fp32 ratio*: the step of the oracle in fp32 against ours in this precision. *ms a tick*: of our
step. *memory*: the peak of a step beyond model and data. *recomputing*: that ratio with `training.recompute`, and how
many times our step it takes. *GFLOP/s*: what our step reaches, beside one large matrix
product in the same precision with the same threads. Batches are the paper's; one marked * is smaller.
"""


def main() -> None:
    """Measures, writes and prints."""
    options = parsed()
    where, everything = machine(options.device), torch.get_num_threads()
    threads = [everything if count == "all" else int(count) for count in options.threads]
    results: list[dict[str, Any]] = []
    for name in options.configurations:
        sized = case(name).resized(options.batch, options.ticks)
        sized = sized if options.batch else fitting(sized, options.memory * 1e9)
        results += compared(sized, threads, options.precision, options.repeats, options.device)
        limit = "" if options.batch else f"Batches are such that the oracle keeps less than {options.memory:g} GB.\n"
        text = f"{described(where)}\n\n{table(COLUMNS + MORE_COLUMNS, map(row, results))}{EXPLANATION}{limit}"
        keep(options.out, "speed", {"machine": where, "results": results})  # after every one: a long table may be cut
        (options.out / "speed.md").write_text(text)
    print(text)


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configurations", nargs="*", metavar="CONFIGURATION", help="; ".join(SETTINGS) + "; or all")
    parser.add_argument("--threads", nargs="+", default=["all"], help="numbers, or all (the default)")
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS, default=["fp32"], help="bf16 is autocast")
    parser.add_argument("--ticks", type=int, help="instead of the paper's")
    parser.add_argument("--batch", type=int, help="instead of the paper's, or what fits in --memory")
    parser.add_argument("--memory", type=float, default=8, help="GB that the oracle may keep; else the batch is halved")
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count, after one that does not")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where the machines are")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for what is written")
    options = parser.parse_args()
    options.configurations = options.configurations or list(SETTINGS)
    if unknown := set(options.configurations) - set(SETTINGS):
        parser.error(f"{', '.join(sorted(unknown))}: expected {', '.join(SETTINGS)}")
    return options


def row(result: dict[str, Any]) -> list[str]:
    """A result as cells of the table."""
    oracle, ours, ratios = result["oracle"], result["ours"], result["ratios"]
    smaller = "*" if result["batch"] < result["paper_batch"] else ""
    return [
        result["configuration"],
        f"{result['batch']}{smaller}",
        *(str(result[name]) for name in ("ticks", "threads", "precision")),
        times(oracle["forward"], ours["forward"]),
        f"{ratios['forward']:.1f}",
        times(oracle["step"], ours["step"]),
        f"{ratios['step']:.1f}",
        f"{ratios['step_to_fp32']:.1f}",
        f"{result['step_per_tick'] * 1e3:.3g}",
        f"{oracle['memory'] / 1e6:.0f} → {ours['memory'] / 1e6:.0f}",
        f"{ratios['memory']:.1f}",
        f"{ratios['recomputing_memory']:.1f}",
        f"{ratios['recomputing_time']:.2f}",
        f"{result['rate'] / 1e9:.0f}",
        f"{result['product_rate'] / 1e9:.0f}",
    ]


def times(oracle: dict[str, float], ours: dict[str, float]) -> str:
    """Two medians, and the spread of the second."""
    spread = (ours["highest"] - ours["lowest"]) / 2 / ours["median"]
    return f"{oracle['median']:.3g} → {ours['median']:.3g} ±{spread:.0%}"


if __name__ == "__main__":
    main()
