"""What the fast paths rest on: the same work done in two ways, at the sizes of parity/paper-75 and mazes/paper.

    OMP_NUM_THREADS=1 python benchmarks/kernels.py

`kernels.md` gets the table that is printed; every time is the least of several.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from steps import alternate
from surroundings import described, machine, table

from ctm.kernels.neuron_pass import kept
from ctm.kernels.packed import PackedWeight

Works = dict[str, Callable[[], object]]


def linear_layer() -> Works:
    """A linear layer of parity/paper-75, 64 x 1536 by 1536 x 2048."""
    x, weight = torch.randn(64, 1536), torch.randn(2048, 1536).t()
    factor = PackedWeight(weight)
    return {"MKL": lambda: torch.mm(x, weight), "oneDNN": lambda: factor.product(x)}


def neurons() -> Works:
    """The first layer of 1,024 neuron-level models at 20 ticks, 32 x 25 by 25 x 64 each: kept, and computed twice."""
    weight, x, used = torch.randn(1024, 32, 25), torch.randn(1024, 25, 64), torch.empty(1024, 32, 64)
    return {
        "kept": lambda: [torch.bmm(weight, x) for _ in range(20)],
        "twice": lambda: [torch.bmm(weight, x, out=used) for _ in range(2 * 20)],
    }


def masks() -> Works:
    """Which of 2,048 x 25 x 32 inputs are kept in mazes/paper: by PyTorch's Bernoulli numbers, and by 16 bits each."""
    shape = (2048, 25, 32)
    return {
        "bernoulli_": lambda: torch.empty(shape).bernoulli_(0.9),
        "16 bits": lambda: kept(shape, 0.1, torch.device("cpu")),
    }


def pairs() -> Works:
    """Reading 2,080 neurons in 32 samples of mazes/paper: as columns of (B, D), and as rows of (D, B)."""
    rows, chosen = torch.randn(2048, 32), torch.randint(2048, (2080,))
    columns = rows.t().contiguous()
    return {"columns": lambda: columns[:, chosen], "rows": lambda: rows.index_select(0, chosen)}


def main() -> None:
    """Measures, writes and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=30, help="rounds that count, after one that does not")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for what is written")
    options = parser.parse_args()
    rows = []
    with torch.no_grad():
        for measured in (linear_layer, neurons, masks, pairs):
            taken = alternate(measured(), options.repeats, "cpu")
            least = {name: min(times) * 1e3 for name, times in taken.items()}
            what = (measured.__doc__ or "").rstrip(".")
            rows.append((what, *(f"{name}: {time:.2f}" for name, time in least.items())))
    threads = torch.get_num_threads()
    text = f"{described(machine('cpu'))}, threads: {threads}\n\n{table(('what', 'ms', 'ms'), rows)}"
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "kernels.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
