"""`ctm compare`: several models and seeds, one table and one picture."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def compare(
    *presets: Annotated[str, Parameter(allow_leading_hyphen=True)],
    models: Path | None = None,
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (0, 1, 2),
    out: Path = Path("runs/compare"),
    jobs: int = 1,
    quiet: bool = False,
) -> int:
    """Trains several presets with several seeds, and puts them into one table and one picture.

    Settings that all of them have can be changed for all, as in
    `ctm compare parity/quick parity/quick-lstm --training.iterations 300`. The same command again goes on where it
    stopped, and leaves alone what is finished.

    Parameters
    ----------
    presets:
        Names of presets, or YAML files such as a run's config.yaml; then settings.
    models:
        A YAML file of the models instead, each a line NAME: PRESET, for names of your own.
    seeds:
        Seeds of training.
    out:
        Folder of the runs, the table and the picture.
    jobs:
        How many runs are trained at a time, in processes of their own.
    quiet:
        Print nothing while training.
    """
    from ctm.cli.options import experiments_of
    from ctm.comparison.comparison import Comparison
    from ctm.comparison.comparison import compare as train_all
    from ctm.comparison.report import comparison_report, task_figures

    comparison = Comparison(out, experiments_of(list(presets), models), seeds)
    outcome = train_all(comparison, jobs=jobs, quiet=quiet, after_each=lambda: list(comparison_report(comparison)))
    if outcome.signal is not None:
        print("stopped; the same command goes on")
        return 128 + outcome.signal
    paths = [*comparison_report(comparison), *task_figures(comparison)]
    print((out / "results.md").read_text(encoding="utf-8"))
    print("\n".join(map(str, paths)))
    for failure in outcome.failures:
        print(f"ctm: {failure}", file=sys.stderr)
    return 1 if outcome.failures else 0
