"""`ctm compare`: several models and seeds, one table and one picture."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ctm.errors import ConfigError


def compare(
    *presets: Annotated[str, Parameter(allow_leading_hyphen=True)],
    models: Path | None = None,
    seeds: Annotated[tuple[int, ...], Parameter(consume_multiple=True)] = (0, 1, 2),
    out: Path = Path("runs/compare"),
    jobs: int = 1,
    cluster: Literal["slurm", "local"] | None = None,
    cluster_options: Path | None = None,
    quiet: bool = False,
) -> int:
    """Trains several presets with several seeds, and puts them into one table and one picture.

    Settings that all of them have can be changed for all, as in
    `ctm compare parity/quick parity/quick-lstm --training.iterations 300`. With several values, as in
    `--training.optimizer.learning-rate 1e-3 3e-3`, each combination is a model of its own. The same command again goes
    on where it stopped, and leaves alone what is finished.

    Parameters
    ----------
    presets:
        Names of presets, Python files that register them, or YAML files such as a run's config.yaml; then settings.
    models:
        A YAML file of the models instead, each a line NAME: PRESET, for names of your own.
    seeds:
        Seeds of training.
    out:
        Folder of the runs, the table and the picture.
    jobs:
        How many runs are trained at a time, in processes of their own.
    cluster:
        Train each run as a job of a Slurm cluster, or as a process that outlives this one.
    cluster_options:
        A YAML file of what a job asks for, such as timeout_min: 120, by the names that submitit knows.
    quiet:
        Print nothing while training.
    """
    from ctm.cli.options import experiments_of
    from ctm.comparison.cluster import compare_on_cluster, executor_of
    from ctm.comparison.comparison import Comparison
    from ctm.comparison.comparison import compare as train_all
    from ctm.comparison.report import comparison_report, model_figures

    if cluster_options is not None and cluster is None:
        raise ConfigError(f"compare: --cluster-options {cluster_options} needs --cluster slurm or --cluster local")
    if cluster is not None and jobs != 1:
        raise ConfigError(f"compare: give --jobs {jobs} or --cluster {cluster}, not both")
    experiments, made_from = experiments_of(list(presets), models)
    executor = None if cluster is None else executor_of(cluster, out / "cluster", cluster_options)
    comparison = Comparison(out, experiments, seeds, made_from)
    if not quiet:
        print(f"{len(comparison.runs)} runs: {len(experiments)} models, {len(seeds)} seeds", flush=True)

    def write_report() -> None:
        list(comparison_report(comparison))

    if executor is None:
        outcome = train_all(comparison, jobs=jobs, quiet=quiet, after_each=write_report)
    else:
        outcome = compare_on_cluster(comparison, executor, quiet=quiet, after_each=write_report)
    if outcome.signal is not None:
        if executor is None:
            print("stopped; the same command goes on")
        return 128 + outcome.signal
    paths = [*comparison_report(comparison), *model_figures(comparison, quiet=quiet)]
    print((out / "results.md").read_text(encoding="utf-8"))
    print("\n".join(map(str, paths)))
    for failure in outcome.failures:
        print(f"ctm: {failure}", file=sys.stderr)
    return 1 if outcome.failures else 0
