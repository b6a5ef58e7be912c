"""Samples a second of stopping when sure against thinking to the end, for trained models, and what limits the gain.

OMP_NUM_THREADS=1 python benchmarks/stopping.py digits parity/quick mazes/quick

The certainty is the lowest that loses no more than `--lost` of the score on the validation split, without any
confidence; all else is of the test split. The limit is what the ticks saved would give alone, if a tick cost the same
of however many samples of whatever ages, and preparing inputs (the backbone, keys and values) as in a plain pass.
"""

import argparse

import torch
from steps import alternate, summary

from ctm.hub import open_trained
from ctm.inference.thresholds import GRID, at_stop
from ctm.training.halting import answer, evaluate_until, score_ticks


def measure(name: str, batch: int, lost: float, repeats: int) -> str:
    """A line of the table: medians over repeats of the whole test split."""
    opened = open_trained(name)
    task, model = opened.experiment.task.build(), opened.load_model()
    certainty, scores = score_ticks(model, task, "validation", batch)
    to_the_end = scores[:, -1].double().mean()
    until = next(
        until for until in reversed(GRID) if to_the_end - at_stop(scores, certainty, until).double().mean() <= lost
    )
    stopped, full = (evaluate_until(model, task, "test", limit, batch) for limit in (until, None))
    inputs = [samples.inputs for samples in task.evaluation("test", batch)]

    @torch.no_grad()
    def prepare() -> None:
        for samples in inputs:
            model.prepare(samples)

    works = {
        "full": lambda: answer(model, inputs, None, batch),
        "stopped": lambda: answer(model, inputs, until, batch),
        "preparing": prepare,
    }
    taken = {work: summary(seconds)["median"] for work, seconds in alternate(works, repeats, "cpu").items()}
    samples = sum(len(targets) for _, targets in task.evaluation("test", batch))
    thinking = (taken["full"] - taken["preparing"]) * stopped["ticks"] / full["ticks"]
    before, after = (100 * each[task.primary_metric] for each in (full, stopped))
    speeds = (samples / taken[work] for work in ("full", "stopped"))
    gain, limit = taken["full"] / taken["stopped"], taken["full"] / (taken["preparing"] + thinking)
    columns = (
        *(name, batch, f"{until:g}", f"{before:.1f} → {after:.1f} %", f"{full['ticks']:.0f} → {stopped['ticks']:.1f}"),
        *(" → ".join(f"{speed:,.0f}" for speed in speeds), f"{gain:.2f}x", f"{limit:.2f}x"),
    )
    return f"| {' | '.join(map(str, columns))} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", help="trained models whose task is known")
    parser.add_argument("--batch", type=int, nargs="+", default=[256], help="samples that are thought about at a time")
    parser.add_argument("--lost", type=float, default=0.003, help="of the score, on the validation split")
    parser.add_argument("--repeats", type=int, default=11)
    arguments = parser.parse_args()
    print("| model | batch | until | score | ticks | samples a second | faster | limit |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in arguments.names:
        for batch in arguments.batch:
            print(measure(name, batch, arguments.lost, arguments.repeats), flush=True)
