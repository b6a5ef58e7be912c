"""Exported machines in ONNX Runtime against PyTorch, alternating in one process, and what eight-bit weights cost.

python benchmarks/runtime.py digits parity/quick --repeats 9
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

import ctm
import ctm.export
import ctm.runtime
from ctm.hub import open_trained
from ctm.inputs import as_tuple, slice_batch


def seconds(function) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


@torch.inference_mode()
def compare(name: str, repeats: int, threads: int) -> None:
    opened = open_trained(name)
    model, task = opened.load_model(), opened.experiment.task.build()
    samples = next(iter(task.evaluation("test", 1000)))
    with tempfile.TemporaryDirectory() as folder:
        loaded = {}
        with torch.inference_mode(False):
            for kind, int8 in (("onnx", False), ("int8", True)):
                ctm.export.to_onnx(model, slice_batch(samples.inputs, 0, 1), Path(folder) / kind, int8=int8)
                loaded[kind] = ctm.runtime.load(Path(folder) / kind, threads)
        for batch in (1, 64):
            part = slice_batch(samples.inputs, 0, batch)
            arrays = [tensor.numpy() for tensor in as_tuple(part)]
            runs = {"pytorch": lambda part=part: model(part)}
            runs |= {kind: lambda each=each, arrays=arrays: each(*arrays) for kind, each in loaded.items()}
            times = {kind: [] for kind in runs}
            for _ in range(repeats + 1):  # the first warms up
                for kind, run in runs.items():
                    times[kind].append(seconds(run))
            medians = {kind: 1000 * statistics.median(found[1:]) for kind, found in times.items()}
            print(name, f"batch {batch}:", ", ".join(f"{kind} {value:.2f} ms" for kind, value in medians.items()))
        for kind, each in loaded.items():
            answers = each(*(tensor.numpy() for tensor in as_tuple(samples.inputs))).at("most_certain").argmax(-1)
            right = (torch.from_numpy(answers) == samples.targets).float().mean().item()
            size = sum(path.stat().st_size for path in (Path(folder) / kind).iterdir())
            print(name, f"{kind}: {right:.4f} right of {len(samples.targets)} test samples, {size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for name in given.models:
        compare(name, given.repeats, given.threads)


if __name__ == "__main__":
    main()
