"""`ctm figures`: all pictures of a run."""

from pathlib import Path

from ctm.cli.trained import DEFAULT, ComputeOptions


def figures(run: Path, /, *, quiet: bool = False, compute: ComputeOptions = DEFAULT) -> None:
    """Draws everything there is to see of a run into its folder `figures`.

    Parameters
    ----------
    run:
        Folder of the run.
    quiet:
        Show no progress bar.
    """
    from ctm.training import Run
    from ctm.training.report import report

    device, precision = compute.start()
    with precision:
        for path in report(Run.open(run), device, quiet=quiet):
            print(path)
