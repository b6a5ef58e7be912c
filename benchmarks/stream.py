"""Milliseconds a frame of a stream: `ctm.Stream` against calling the machine for every frame.

OMP_NUM_THREADS=1 python benchmarks/stream.py parity/paper-75 digits
"""

import argparse

import torch
from cases import SETTINGS, case
from steps import alternate, summary

import ctm


def measure(name: str, ticks: int, frames: int, repeats: int) -> str:
    """A line of the table: medians over repeats of the mean over frames."""
    chosen = case(name).resized(batch=1)
    model, frame = chosen.model().eval(), chosen.inputs()
    stream = ctm.Stream(model)

    @torch.no_grad()
    def calls() -> None:
        state = None
        for _ in range(frames):
            state = model(frame, ticks=ticks, state=state).state

    def observed() -> None:
        for _ in range(frames):
            stream.observe(frame, ticks=ticks)

    taken = alternate({"calls": calls, "stream": observed}, repeats, "cpu")
    called, streamed = (1000 * summary(taken[way])["median"] / frames for way in ("calls", "stream"))
    return f"| {name} | {ticks} | {called:.2f} | {streamed:.2f} | {called / streamed:.1f}x |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", choices=SETTINGS)
    parser.add_argument("--ticks", type=int, nargs="+", default=[1, 5], help="ticks a frame")
    parser.add_argument("--frames", type=int, default=20, help="frames a repeat")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print("| model | ticks a frame | calls, ms | stream, ms | |\n| --- | --- | --- | --- | --- |")
    for name in arguments.names:
        for ticks in arguments.ticks:
            print(measure(name, ticks, arguments.frames, arguments.repeats), flush=True)
