"""`ctm humans`: trained models beside people who answered the same."""

from json import dumps
from pathlib import Path

from ctm.cli.trained import DEFAULT, ComputeOptions
from ctm.errors import ConfigError


def humans(
    *runs: Path,
    labels: Path,
    difficulty: Path | None = None,
    output: Path = Path("runs/humans"),
    quiet: bool = False,
    json: bool = False,
    compute: ComputeOptions = DEFAULT,
) -> None:
    """Puts models that name what is in a sample beside people who named the same, on the test split.

    Draws calibration side by side, the uncertainty of models against that of people and, with --difficulty, accuracy
    and uncertainty against how difficult samples are.

    Parameters
    ----------
    runs:
        Folders of the runs, of tasks with one label a sample and the same test samples.
    labels:
        What people answered: an .npy with a row for each test sample in order, the share of people for each class.
    difficulty:
        How difficult the samples are: an .npy of a number for each, or an .npz of what other models answered
        (predictions and labels); then the share of these that is wrong.
    output:
        Folder of the pictures.
    quiet:
        Show no progress bars.
    json:
        Print the scores as one JSON object.
    """
    from ctm.comparison.people import compare_with_people, people_figures, people_scores

    if not runs:
        raise ConfigError("humans: name the runs, as in 'ctm humans runs/cifar10 --labels cifar10h-probs.npy'")
    device, precision = compute.start()
    with precision:
        everyone, hard = compare_with_people(runs, labels, difficulty, device, quiet or json)
    scores = people_scores(everyone)
    output.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in people_figures(everyone, hard).items():
        paths.append(output / f"{name}.png")
        figure.savefig(paths[-1], dpi=160)
    if json:
        print(dumps({"split": "test", "models": scores, "figures": list(map(str, paths))}))
        return
    width = max(map(len, scores)) + 2
    columns = list(next(iter(scores.values())))
    print(f"{'':{width}}" + "".join(f"{column.replace('_', ' '):>19}" for column in columns))
    for name, row in scores.items():
        print(f"{name:{width}}" + "".join(f"{value:19.4f}" for value in row.values()))
    print("\n".join(map(str, paths)))
