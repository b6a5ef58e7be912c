"""What more thinking brings: K thoughts with noise, or one thought of K times the ticks.

    OMP_NUM_THREADS=1 python benchmarks/samples.py --out docs/benchmarks --picture docs/images/samples.png

Every thought goes on to the last tick. The noise of each way to choose among the thoughts is the best of several on
the validation split, with 8 thoughts and a seed of its own; scores are those of the test split, whole answers right.
For mazes there is a check that needs no label, too: whether the moves lead to the goal in the picture. `samples.json`
gets every number, `samples.md` the tables, which are printed as well.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from surroundings import described, keep, machine, progress, table
from torch import Tensor, nn

import ctm
from ctm.analysis.style import MUTED, SERIES, canvas, styled
from ctm.hub import open_trained
from ctm.inference.samples import chosen
from ctm.randomness import generator
from ctm.tasks.base import Batch, Split, Task
from ctm.tasks.mazes.generate import draw
from ctm.tasks.mazes.grid import walk
from ctm.tasks.mazes.reapply import reapply
from ctm.tasks.mazes.task import Mazes
from ctm.thoughts import Thoughts

TICKS = {"mazes/quick": 8, "parity/quick": 8, "digits": 15}
"""The models, and how many ticks a thought has: those of the configuration, but for parity, never wrong then."""
NOISES = (0.03, 0.1, 0.2, 0.3, ctm.Noise(0.3, tick=0), ctm.Noise(1.0, tick=0))
VALIDATION_SEED = 1000
TRIED = 8
"""How many thoughts there are where the noise is chosen."""


class Case(NamedTuple):
    """A model, its task, and how long it thinks."""

    name: str
    model: ctm.ContinuousThoughtMachine
    task: Task
    ticks: int
    samples: int  # of a split, at most

    def batch(self, split: Split) -> Batch:
        """The samples of a split."""
        return next(iter(self.task.evaluation(split, self.samples)))

    def right(self, answers: Tensor, targets: Tensor) -> Tensor:
        """Which whole answers (…, *answer, C) are right, (…)."""
        same = answers.argmax(-1) == targets
        return same.flatten(-targets.dim() + 1).all(-1) if targets.dim() > 1 else same

    def checks(self, inputs: Tensor) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
        """Choices among answers by looking at them and at the input alone."""
        if not isinstance(self.task, Mazes):
            return {}
        mazes = [self.task.maze(picture) for picture in inputs]
        open, start, goal = (torch.cat([getattr(maze, name) for maze in mazes]) for name in ("open", "start", "goal"))

        def check(answers: Tensor, certainty: Tensor) -> Tensor:
            """The most certain of the answers that lead to the goal without a mistake; else of all."""
            walks = [walk(open, start, each, goal) for each in answers.argmax(-1).unbind(1)]
            arrived = [(way.places[:, -1] == goal).all(1) & ~way.mistakes.any(1) for way in walks]
            return (certainty + 2 * torch.stack(arrived, 1)).argmax(1)

        return {"check": check}


def main() -> None:
    """Measures, writes, prints and draws."""
    options = parsed()
    where, seeds = machine("cpu"), range(options.seeds)
    many = [2**power for power in range(options.samples.bit_length())]
    results, parts = [], []
    for name in options.models:
        opened = open_trained(Path(name))
        case = Case(name, ctm.load(name), opened.experiment.task.build(), TICKS[name], options.count)
        found = measured(case, many, seeds)
        results.append({"model": name, "ticks": case.ticks, "computation": many, "ways": found})
        parts.append(f"{name}, {case.ticks} ticks\n\n" + as_table(many, found))
        if isinstance(case.task, Mazes) and options.size:
            reached = larger(case, found, options.size, options.count, seeds)
            results[-1]["larger"] = {"size": options.size, "reached": reached}
            rows = [(way, *spread(scores)) for way, scores in reached.items()]
            parts.append(f"{options.size}x{options.size} by re-application\n\n" + table(("way", "goal reached"), rows))
    keep(options.out, "samples", {"machine": where, "seeds": len(seeds), "results": results})
    text = "\n".join(parts)
    (options.out / "samples.md").write_text(text)
    print(text)
    figure = drawn(results)
    figure.text(
        0.01, 0.015, f"Test split; {len(seeds)} seeds of the noise. {described(where)}", color=MUTED, fontsize=6.5
    )
    figure.savefig(options.picture or options.out / "samples.png")


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=[*TICKS], help="models of the package")
    parser.add_argument("--samples", type=int, default=16, help="the most thoughts, and times the ticks")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the noise")
    parser.add_argument("--count", type=int, default=1000, help="the most samples of a split, and larger mazes")
    parser.add_argument("--size", type=int, default=13, help="of larger mazes; 0 for none")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder for what is written")
    parser.add_argument("--picture", type=Path, help="where the picture goes; by default into that folder")
    return parser.parse_args()


def measured(case: Case, many: list[int], seeds: range) -> dict[str, Any]:
    """For each way, its noise and its scores for each amount of computation and seed."""
    inputs, targets = case.batch("test")
    checks = case.checks(inputs)
    with torch.inference_mode():
        thoughts = case.model(inputs, ticks=many[-1] * case.ticks)
    found: dict[str, Any] = {"more ticks": {"noise": None, "scores": []}}
    for times in many:
        answers, certainty = thoughts.logits[:, : times * case.ticks], thoughts.certainty[:, : times * case.ticks]
        for name, choose in {
            "more ticks": "surest",
            **{f"more ticks, {name}": each for name, each in checks.items()},
        }.items():
            score = case.right(chosen(answers, certainty, choose), targets).float().mean().item()
            found.setdefault(name, {"noise": None, "scores": []})["scores"].append([score])
    noises = best_noises(case)
    drawn = {noise: [several(case, inputs, many[-1], noise, seed) for seed in seeds] for noise in set(noises.values())}
    for name, noise in noises.items():
        choose = checks.get(name, name)
        scores = [
            [
                case.right(chosen(answers[:, :times], certainty[:, :times], choose), targets).float().mean().item()
                for answers, certainty in drawn[noise]
            ]
            for times in many
        ]
        found[name] = {"noise": said(noise), "scores": scores}
    return found


def best_noises(case: Case) -> dict[str, Any]:
    """For each way to choose among thoughts the noise that is the best on the validation split, the first of equals."""
    inputs, targets = case.batch("validation")
    ways = {"surest": "surest", "vote": "vote", "mean": "mean", **case.checks(inputs)}
    scores: dict[str, dict[Any, float]] = {name: {} for name in ways}
    for noise in NOISES:
        answers, certainty = several(case, inputs, TRIED, noise, VALIDATION_SEED)
        for name, choose in ways.items():
            scores[name][noise] = case.right(chosen(answers, certainty, choose), targets).float().mean().item()
        progress(case.name, said(noise), {name: round(each[noise], 4) for name, each in scores.items()})
    return {name: max(each, key=each.__getitem__) for name, each in scores.items()}


def several(case: Case, inputs: Tensor, samples: int, noise: Any, seed: int) -> tuple[Tensor, Tensor]:
    """All answers of several thoughts, (N, K, *answer, C), and their certainties, (N, K)."""
    kept: list[tuple[Tensor, Tensor]] = []

    def keeping(answers: Tensor, certainty: Tensor) -> Tensor:
        kept.append((answers, certainty))
        return certainty.argmax(1)

    ctm.think(case.model, inputs, never, case.ticks, samples=max(samples, 2), noise=noise, choose=keeping, seed=seed)
    answers, certainty = kept[0]
    return answers[:, :samples], certainty[:, :samples]


def never(certainty: Tensor, answers: Tensor, ticks: Tensor) -> Tensor:
    """The halting rule of thinking to the end."""
    return torch.zeros_like(ticks, dtype=torch.bool)


class Thinking(nn.Module):
    """A model that answers each input once, by whatever way."""

    def __init__(self, model: nn.Module, answer: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.model, self.answer = model, answer

    def forward(self, inputs: Tensor, ticks: int | None = None) -> Thoughts:
        """The answer as that of a single tick."""
        answers, certainty = self.answer(inputs)
        return Thoughts(answers.unsqueeze(1), certainty.unsqueeze(1), None)


def larger(case: Case, found: dict[str, Any], size: int, count: int, seeds: range) -> dict[str, list[float]]:
    """How often the goal of larger mazes is reached by re-application, by each way and seed, with 8 times the ticks."""
    mazes = draw(count, size, generator("reapply", 0, size))
    named = {said(noise): noise for noise in NOISES}

    def reached(model: nn.Module, ticks: int) -> float:
        return reapply(model, mazes, case.task.config.inputs, ticks=ticks).reached.float().mean().item()

    ways = {"one thought": [reached(case.model, case.ticks)], "more ticks": [reached(case.model, TRIED * case.ticks)]}
    for choose in ("surest", "vote", "mean"):
        how = {"samples": TRIED, "noise": named[found[choose]["noise"]], "choose": choose}
        ways[choose] = []
        for seed in seeds:
            progress(case.name, size, choose, seed)
            thinking = Thinking(
                case.model,
                lambda inputs, how=how, seed=seed: ctm.think(case.model, inputs, never, case.ticks, **how, seed=seed)[
                    :2
                ],
            )
            ways[choose].append(reached(thinking, case.ticks))
    return ways


def said(noise: Any) -> str:
    """A noise in words."""
    return f"{noise.scale} at the first tick" if isinstance(noise, ctm.Noise) else f"{noise}"


def spread(scores: list[float]) -> tuple[str]:
    """Mean, and lowest and highest where there are several, in percent."""
    middle = f"{100 * mean(scores):.1f}"
    return (f"{middle} ({100 * min(scores):.1f}-{100 * max(scores):.1f})" if len(scores) > 1 else middle,)


def as_table(many: list[int], found: dict[str, Any]) -> str:
    """Scores in percent for each way and amount of computation."""
    rows = [
        (way, each["noise"] or "", *(spread(scores)[0] for scores in each["scores"])) for way, each in found.items()
    ]
    return table(("way", "noise", *(f"x{times}" for times in many)), rows)


@styled()
def drawn(results: list[dict[str, Any]]) -> Figure:
    """Score against computation, a panel for each model; bands from the lowest to the highest seed."""
    figure = canvas(height=3.5)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.18, top=0.82, wspace=0.25)
    colours = dict(zip(("more ticks", "surest", "vote", "mean", "check"), SERIES, strict=False))
    for axes, result in zip(figure.subplots(1, len(results), squeeze=False)[0], results, strict=True):
        for way, each in result["ways"].items():
            ticks, _, check = way.partition(", ")
            scores = [[100 * score for score in scores] for scores in each["scores"]]
            colour, style = colours[check or way], "--" if ticks == "more ticks" else "-"
            axes.plot(
                result["computation"], [*map(mean, scores)], style, color=colour, marker="o", markersize=3, label=way
            )
            axes.fill_between(
                result["computation"], [*map(min, scores)], [*map(max, scores)], color=colour, alpha=0.15, linewidth=0
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(result["computation"], result["computation"])
        axes.minorticks_off()
        axes.set_title(f"{result['model']}, {result['ticks']} ticks")
        axes.set_xlabel("times the computation")
        axes.grid(axis="y")
    figure.axes[0].set_ylabel("whole answers right, %")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="upper center", ncols=len(colours) + 1)
    return figure


if __name__ == "__main__":
    main()
