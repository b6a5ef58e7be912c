import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A maze, and a lesion")


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # A maze, and a lesion

    A trained machine comes with the package that finds its way through small mazes. We watch it do so, tick by tick.
    Then we silence some of its neurons, as one does in the study of brains, and see what breaks.
    """)
    return


@app.cell
def _():
    import marimo as mo
    import matplotlib.pyplot as plt
    import torch

    import ctm
    from ctm.tasks.mazes.figures import maze_picture

    return ctm, maze_picture, mo, plt, torch


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The machine and its mazes

    The machine sees a picture: black walls, white corridors, a red start and a green goal. It answers with thirty
    moves at once: up, down, left, right, or wait. We make 200 mazes that it was not trained on.
    """)
    return


@app.cell
def _(ctm):
    model = ctm.load("mazes/quick")
    task = ctm.preset("mazes/quick").task.replace(train_mazes=1, validation_mazes=1, test_mazes=200).build()
    mazes, routes = next(iter(task.evaluation("test", 200)))
    print("pictures:", tuple(mazes.shape), " routes:", tuple(routes.shape))
    print("neurons:", model.config.core.neurons, " ticks:", model.config.ticks)
    return mazes, model, routes, task


@app.cell
def _(mazes, model, routes, torch):
    def solved() -> torch.Tensor:
        """Which of the mazes are solved: all moves right."""
        with torch.inference_mode():
            return (model(mazes).at("most_certain").argmax(-1) == routes).all(1)

    healthy = solved()
    print(f"solved: {healthy.float().mean():.0%}")
    return healthy, solved


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Watch it

    Of the mazes that it solves we take the one with the longest way.
    """)
    return


@app.cell
def _(healthy, mazes, model, routes, task, torch):
    WAIT = 4
    _lengths = (routes != WAIT).sum(1)
    chosen = int((_lengths * healthy).argmax())
    one, maze = mazes[chosen : chosen + 1], task.maze(mazes[chosen])
    with torch.inference_mode():
        thoughts = model(one, record={"attention"})
    print("the right way:", task.format_answer(routes[chosen]))
    for _tick, _moves in enumerate(thoughts.logits[0].argmax(-1)):
        print(f"at tick {_tick + 1}:    {task.format_answer(_moves)}")
    return maze, one, thoughts


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Where does it look meanwhile? Bright is where the attention of its four heads lies, on average, at each tick. The
    map on which it looks has a cell for about two by two of the maze.
    """)
    return


@app.cell
def _(one, plt, thoughts):
    _attention = thoughts.record.attention[0].mean(1).unflatten(-1, thoughts.record.grid)  # (ticks, rows, columns)
    looking, _axes = plt.subplots(2, thoughts.ticks // 2, figsize=(9, 5), layout="constrained")
    for _tick, _place in enumerate(_axes.flat):
        _place.imshow(one[0].permute(1, 2, 0).numpy(), extent=(0, 9, 9, 0))
        _place.imshow(
            _attention[_tick].numpy(), cmap="inferno", alpha=0.6, extent=(0, 9, 9, 0), interpolation="bilinear"
        )
        _place.set_title(f"tick {_tick + 1}: certainty {thoughts.certainty[0, _tick]:.2f}", fontsize=9)
        _place.axis("off")
    looking
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The same with the route. Blue arrows are right so far, red ones come after the first mistake, crosses run into a
    wall. In marimo, the slider goes through the ticks.
    """)
    return


@app.cell
def _(mo, thoughts):
    tick = mo.ui.slider(1, thoughts.ticks, value=3, label="tick", show_value=True)
    tick
    return (tick,)


@app.cell
def _(maze, maze_picture, thoughts, tick):
    maze_picture(thoughts, maze, tick=tick.value - 1)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Silence some neurons

    `model.intervene` holds neurons at a value, here at 0, as long as the `with` block lasts. After it, the machine is
    as it was. Which neurons? Any, in a random order; the slider says how many of them.
    """)
    return


@app.cell
def _(mo, model, torch):
    order = torch.randperm(model.config.core.neurons, generator=torch.Generator().manual_seed(0)).tolist()
    silenced = mo.ui.slider(8, len(order), step=8, value=96, label="silenced neurons", show_value=True)
    silenced
    return order, silenced


@app.cell
def _(model, one, order, silenced, task, torch):
    with torch.inference_mode(), model.intervene(neurons=order[: silenced.value], value=0.0):
        lesioned = model(one, record={"attention"})
    print("its way now:  ", task.format_answer(lesioned.at("most_certain")[0].argmax(-1)))
    print("silent neurons:", silenced.value, "of", len(order))
    return (lesioned,)


@app.cell
def _(lesioned, maze, maze_picture):
    maze_picture(lesioned, maze)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## How much can it lose?

    One maze is an anecdote. So we ask about all 200, with more and more silent neurons, for three different random
    orders.
    """)
    return


@app.cell
def _(model, order, solved, torch):
    counts = [8, 16, 32, 64, 96, 128, 192, 256]
    curves = []
    for _seed in range(3):
        _order = torch.randperm(len(order), generator=torch.Generator().manual_seed(_seed)).tolist()
        _scores = []
        for _count in counts:
            with model.intervene(neurons=_order[:_count], value=0.0):
                _scores.append(solved().float().mean().item())
        curves.append(_scores)
    return counts, curves


@app.cell
def _(counts, curves, healthy, plt):
    losing, _axes = plt.subplots(figsize=(7, 3), layout="constrained")
    for _scores in curves:
        _axes.plot([0, *counts], [healthy.float().mean(), *_scores], marker="o")
    _axes.set(xlabel="silent neurons", title="Mazes solved, for three orders of neurons", ylim=(0, 1))
    losing
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The first few are hardly missed, whichever they are. Then every further one costs something, here more, there less:
    the three curves part, so some neurons matter more than others. In the end nothing is solved any more.

    ## For one tick only

    Now the same 96 neurons are silent, but only during a single tick. Does the machine recover?
    """)
    return


@app.cell
def _(model, order, solved):
    at_tick = []
    for _tick in range(model.config.ticks):
        with model.intervene(tick=_tick, neurons=order[:96], value=0.0):
            at_tick.append(solved().float().mean().item())
    with model.intervene(neurons=order[:96], value=0.0):
        always = solved().float().mean().item()
    return always, at_tick


@app.cell
def _(always, at_tick, healthy, plt):
    recovering, _axes = plt.subplots(figsize=(7, 3), layout="constrained")
    _axes.bar(range(1, len(at_tick) + 1), at_tick, color="tab:blue", label="silent at this tick alone")
    _axes.axhline(healthy.float().mean(), color="tab:green", label="never silent")
    _axes.axhline(always, color="tab:red", label="silent at every tick")
    _axes.set(xlabel="tick", title="Mazes solved, with 96 of the neurons silent", ylim=(0, 1.2))
    _axes.legend(ncols=3, loc="upper center")
    recovering
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    It hardly notices. A likely reason: what it answers with, the synchronization of its neurons, gathers over all
    ticks, so that one bad moment is outweighed by the others.

    Other things to try: hold the neurons at another value than 0, silence them from the fourth tick on (`tick=slice(3,
    None)`), or change what they remember with `on_tick`. `docs/inside.md` has all of it.
    """)
    return


if __name__ == "__main__":
    app.run()
