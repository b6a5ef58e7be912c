"""A machine against its oracle: time, memory and arithmetic of one case."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from cases import SETTINGS, Case
from memory import peak
from steps import MACHINES, RECOMPUTING, Bench, Variant, alternate, summary
from surroundings import progress
from work import operations, product_rate

WORKS = ("forward", "step")
REFERENCE = Variant("oracle", "fp32")


def compared(
    case: Case, threads: Sequence[int], precisions: Sequence[str], repeats: int, device: str
) -> Iterator[dict[str, Any]]:
    """Measures a case.

    Args:
        case: what to measure.
        threads: numbers of threads to measure with.
        precisions: of both machines; the oracle is measured in fp32 in any case.
        repeats: rounds that count.
        device: "cpu" or "cuda".

    Yields:
        a result for every number of threads and precision. Times are in seconds, memory in bytes, rates in
        floating-point operations a second, ratios those of the oracle to ours.
    """
    progress(f"{case.name}, {case.batch} samples, {case.config.ticks} ticks: operations and memory")
    variants = [Variant(machine, precision) for precision in precisions for machine in (*MACHINES, RECOMPUTING)]
    work = {machine: operations(case, machine) for machine in MACHINES}
    memory = {variant: peak(case, variant, device) for variant in variants}
    bench, before = Bench(case, device), torch.get_num_threads()
    works = {
        (variant, name): partial(getattr(bench, name), variant)
        for variant in dict.fromkeys([REFERENCE, *variants])
        for name in (WORKS if variant.machine in MACHINES else ("step",))
    }
    for count in threads:
        torch.set_num_threads(count)
        progress(f"{case.name}: time with threads = {count}")
        times = {key: summary(taken) for key, taken in alternate(works, repeats, device).items()}
        for precision in precisions:
            sides = {
                machine: {
                    **{name: times[Variant(machine, precision), name] for name in WORKS},
                    "memory": memory[Variant(machine, precision)],
                    "operations": work[machine],
                }
                for machine in MACHINES
            }
            again = Variant(RECOMPUTING, precision)
            sides[RECOMPUTING] = {"step": times[again, "step"], "memory": memory[again]}
            yield {
                "configuration": case.name,
                "ticks": case.config.ticks,
                "batch": case.batch,
                "paper_batch": SETTINGS[case.name].batch,
                "threads": count,
                "precision": precision,
                **sides,
                "ratios": _ratios(sides, {name: times[REFERENCE, name] for name in WORKS}),
                "step_per_tick": sides["ours"]["step"]["median"] / case.config.ticks,
                "rate": sides["ours"]["operations"] / sides["ours"]["step"]["median"],
                "product_rate": product_rate(precision, device),
            }
    torch.set_num_threads(before)


def _ratios(sides: dict[str, Any], reference: dict[str, Any]) -> dict[str, float]:
    """Oracle to ours, in the same precision and, for the times, also of the oracle in fp32."""
    oracle, ours = sides["oracle"], sides["ours"]
    return {
        **{name: oracle[name]["median"] / ours[name]["median"] for name in WORKS},
        **{f"{name}_to_fp32": reference[name]["median"] / ours[name]["median"] for name in WORKS},
        "memory": oracle["memory"] / ours["memory"],
        "recomputing_memory": oracle["memory"] / sides[RECOMPUTING]["memory"],
        "recomputing_time": sides[RECOMPUTING]["step"]["median"] / ours["step"]["median"],
        "operations": oracle["operations"] / ours["operations"],
    }
