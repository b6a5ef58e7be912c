"""`ctm reapply`: larger mazes than a run was trained on."""

from json import dumps
from pathlib import Path

from ctm.cli.trained import DEFAULT, ComputeOptions, Which, open_run


def reapply(
    run: Path,
    /,
    *,
    size: int = 19,
    count: int = 200,
    input: Path | None = None,
    applications: int = 20,
    mistakes: int = 2,
    views: int = 1,
    ticks: int | None = None,
    seed: int = 0,
    checkpoint: Which = "best",
    json: bool = False,
    compute: ComputeOptions = DEFAULT,
) -> None:
    """Walks through larger mazes with a maze run: answers, walks, and thinks again from there.

    Draws how often that reaches the goal, and one of the journeys, into the run's folder `figures`. Says, too, how
    often a walker reaches it in as many moves who chooses at random where to go and turns back in dead ends only.

    Parameters
    ----------
    run:
        Folder of a run that learned mazes.
    size:
        Pixels of a side of the mazes; odd.
    count:
        How many mazes; of the size trained on, so many of the test split.
    input:
        The picture of one maze instead.
    applications:
        Most times that the model thinks about a maze.
    mistakes:
        Moves into a wall that an answer may have; its walk stops at the next one.
    views:
        In how many of the eight ways to turn and mirror it the model may see a maze from one place: another one each
        time that its walk comes back there. With 1 a journey ends at the first return.
    ticks:
        Internal ticks of an application; by default as many as in training.
    seed:
        Which mazes.
    checkpoint:
        The one with the best validation score, or the last one.
    json:
        Print the outcome of every maze as one JSON object.
    """
    from ctm.errors import ConfigError
    from ctm.randomness import generator
    from ctm.tasks.mazes.generate import draw
    from ctm.tasks.mazes.journeys import journey_picture, journeys_picture
    from ctm.tasks.mazes.published import read_picture
    from ctm.tasks.mazes.random_walk import random_walk
    from ctm.tasks.mazes.reapply import reapply
    from ctm.tasks.mazes.symmetry import VIEWS
    from ctm.tasks.mazes.task import Mazes

    for name, value, least in (("count", count, 1), ("applications", applications, 1), ("mistakes", mistakes, 0)):
        if value < least:
            raise ConfigError(f"{name} = {value}: expected at least {least}")
    if not 1 <= views <= VIEWS:
        raise ConfigError(f"views = {views}: expected 1 to {VIEWS}")
    if ticks is not None and ticks < 1:
        raise ConfigError(f"ticks = {ticks}: expected at least 1")
    device, precision = compute.start()
    opened = open_run(run)
    config = opened.experiment.task
    if not isinstance(config, Mazes.Config):
        raise ConfigError(f"{run}: learned {config.kind}: expected a run that learned mazes")
    config.replace(size=size)
    if input is not None:
        mazes = read_picture(input)
        size = mazes.open.shape[-1]
    elif size == config.size:
        mazes = config.build().stores["test"].grids(slice(count))
    else:
        mazes = draw(count, size, generator("reapply", seed, size))
    model = opened.load_model(checkpoint, device)
    with precision:
        journeys = reapply(
            model, mazes, config.inputs, applications=applications, mistakes=mistakes, views=views, ticks=ticks
        )
    by_chance = random_walk(mazes, journeys.moves, generator("wander", seed))
    figures = opened.figures
    figures.mkdir(parents=True, exist_ok=True)
    name = input.stem if input is not None else f"{size}"
    longest = int(journeys.lengths.where(journeys.reached, -1).argmax())
    drawn = {f"journey-{name}": journey_picture(mazes, journeys, longest)}
    if input is None:
        drawn[f"reapplied-{name}"] = journeys_picture({f"{size} x {size}": journeys}, config.route_length)
    for title, figure in drawn.items():
        figure.savefig(figures / f"{title}.png", dpi=160)
    if json:
        fields = {name: getattr(journeys, name).tolist() for name in ("reached", "applications", "moves", "lengths")}
        fields["reached_by_chance"] = by_chance.tolist()
        print(dumps({"run": str(run), "size": size, "checkpoint": checkpoint, **fields}))
        return
    found = journeys.reached
    print(f"goal reached: {found.float().mean():.4f} of {len(found)} mazes of {size} x {size}")
    print(f"by a random walk of as many moves: {by_chance.mean():.4f}")
    if found.any():
        print(f"applications to reach it: {journeys.applications[found].float().mean():.2f}")
    for title in drawn:
        print(figures / f"{title}.png")
