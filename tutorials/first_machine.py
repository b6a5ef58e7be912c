import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A first machine")


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # A first machine

    A Continuous Thought Machine does not answer at once. It thinks in steps, called *ticks*: at each tick it looks at
    its input, its neurons react, and it could already answer. Here you build one, teach it to read handwritten digits,
    and watch it think. It takes less than a minute on a laptop.
    """)
    return


@app.cell
def _():
    import tempfile
    from pathlib import Path

    import marimo as mo
    import matplotlib.pyplot as plt
    import torch

    import ctm
    from ctm.analysis.looking import looking

    return Path, ctm, looking, mo, plt, tempfile, torch


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Build it from parts

    A machine is described by a configuration, and every part of it by one of its own:

    - the **backbone** turns a picture into a small map of features;
    - the **observer** chooses where on that map to look;
    - the **core** has the neurons. Each remembers its last few inputs and has a little model of its own;
    - **synchronization**, how pairs of neurons move together over time, steers the looking (`action`) and feeds the
      answer (`output`);
    - the **readout** turns that into scores for the classes.
    """)
    return


@app.cell
def _(ctm):
    config = ctm.MachineConfig(
        ticks=8,
        backbone=ctm.ConvNet.Config(widths=(16, 32), pools=(False, True)),
        observer=ctm.CrossAttention.Config(embedding=32, heads=4, positions=ctm.FourierPositions.Config()),
        core=ctm.NeuronCore.Config(neurons=64, memory=6, synapses=ctm.SynapseMLP.Config()),
        action=ctm.Synchronization.Config(ctm.Dense(16)),
        output=ctm.Synchronization.Config(ctm.Dense(24)),
        readout=ctm.ClassReadout.Config(classes=10),
    )
    return (config,)


@app.cell
def _(config, torch):
    torch.manual_seed(0)
    model = config.build().eval()
    print(f"{sum(weight.numel() for weight in model.parameters()):,} weights, all of them random so far")
    return (model,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Look at the shapes

    The digits are small pictures of 8 by 8 pixels, which come with scikit-learn. The *task* knows where they are, and
    which of them are kept aside for testing.
    """)
    return


@app.cell
def _(ctm):
    task = ctm.preset("digits").task.build()
    images, labels = next(iter(task.evaluation("test", 1000)))
    print("images:", tuple(images.shape), "from", images.min().item(), "to", images.max().item())
    print("labels:", tuple(labels.shape), "the first ten:", labels[:10].tolist())
    return images, labels, task


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Ask the untrained machine about four of them. It gives **an answer for every tick**: that is the second number in
    the shape of `logits`. Beside each answer stands its **certainty**, from 0 (every class is equally likely) to 1
    (only one is possible). With random weights, it has no idea, and says so.
    """)
    return


@app.cell
def _(images, model, torch):
    with torch.inference_mode():
        untrained = model(images[:4])
    print("logits:   ", tuple(untrained.logits.shape), "= (pictures, ticks, classes)")
    print("certainty:", tuple(untrained.certainty.shape), "= (pictures, ticks)")
    print("certainty of the first picture:", [round(value, 3) for value in untrained.certainty[0].tolist()])
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Train it

    An *experiment* is a task, a model, and how the one learns the other. We take the task and most settings of the
    preset `digits`, put our small machine in, and train for 200 steps, a few seconds. A *run* is the folder where
    everything about the training is kept.
    """)
    return


@app.cell
def _(Path, config, ctm, tempfile):
    _preset = ctm.preset("digits")
    _training = _preset.training.replace(
        iterations=200,
        optimizer=ctm.training.AdamW(learning_rate=5e-3),
        log_every=10,
    )
    run = ctm.Run.create(Path(tempfile.mkdtemp()) / "first-machine", ctm.Experiment(_preset.task, config, _training))
    outcome = ctm.train(run, quiet=True)
    print(f"{outcome.iteration} steps; the best score on the validation pictures: {outcome.best:.0%}")
    return (run,)


@app.cell
def _(plt, run):
    _steps = [line for line in run.metrics() if "split" not in line]
    learning, _axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    _axes.plot([line["iteration"] for line in _steps], [line["loss"] for line in _steps])
    _axes.set(xlabel="step", ylabel="loss", title="Learning", ylim=(0, None))
    learning
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## How good is it, tick by tick?

    None of the test pictures was seen in training. Thinking helps: at first the machine has hardly looked, later ticks
    are surer, and more often right.
    """)
    return


@app.cell
def _(ctm, run, task):
    trained = run.load_model()
    scores = ctm.training.evaluate(trained, task, "test")
    print(f"right, answering at the most certain tick: {scores['accuracy']:.0%}   (guessing: 10%)")
    return scores, trained


@app.cell
def _(plt, scores):
    by_tick, _axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
    _ticks = range(1, len(scores["accuracy_by_tick"]) + 1)
    _axes.plot(_ticks, scores["accuracy_by_tick"], marker="o", label="share of right answers")
    _axes.plot(_ticks, scores["certainty_by_tick"], marker="o", label="mean certainty")
    _axes.set(xlabel="tick", ylim=(0, 1.05), title="359 test pictures")
    _axes.legend()
    by_tick
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## See it think

    With `record`, the machine also tells where it looked. The upper row is one test picture at every tick: bright is
    where its attention lies. Below are the probabilities of the ten digits; the right one is green. Its gaze need not
    move much, as so small a picture can be taken in at a glance: watch the answer grow.
    """)
    return


@app.cell
def _(images, labels, torch, trained):
    index = 3
    with torch.inference_mode():
        thoughts = trained(images[index : index + 1], record={"attention"})
    print("the right answer:", labels[index].item())
    print("answer at each tick:", thoughts.logits[0].argmax(-1).tolist())
    return index, thoughts


@app.cell
def _(images, index, labels, plt, thoughts):
    _attention = thoughts.record.attention[0].mean(1).unflatten(-1, thoughts.record.grid)  # (ticks, rows, columns)
    thinking, _axes = plt.subplots(2, thoughts.ticks, figsize=(9, 2.8), height_ratios=(2, 1), layout="constrained")
    for _tick, (_above, _below) in enumerate(_axes.T):
        _above.imshow(images[index, 0].numpy(), cmap="gray", extent=(0, 8, 8, 0))
        _above.imshow(
            _attention[_tick].numpy(), cmap="inferno", alpha=0.4, extent=(0, 8, 8, 0), interpolation="bilinear"
        )
        _above.set_title(f"tick {_tick + 1}", fontsize=9)
        _above.axis("off")
        _colours = ["tab:green" if digit == labels[index] else "silver" for digit in range(10)]
        _below.bar(range(10), thoughts.logits[0, _tick].softmax(-1).numpy(), color=_colours)
        _below.set(ylim=(0, 1), yticks=[], xticks=[0, 9])
    thinking
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The package has a larger picture of the same: every head of attention, the path of its centre, the certainty up to
    now. Move the slider to go through the ticks (this needs marimo, not just a web page).
    """)
    return


@app.cell
def _(mo, thoughts):
    tick = mo.ui.slider(1, thoughts.ticks, value=thoughts.ticks, label="tick", show_value=True)
    tick
    return (tick,)


@app.cell
def _(images, index, labels, looking, thoughts, tick):
    looking(thoughts, (images[index] + 1) / 2, int(labels[index]), tick=tick.value - 1)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Save it, load it

    One file holds the weights and the configuration, so that nothing else is needed to use the machine again.
    """)
    return


@app.cell
def _(ctm, images, run, torch, trained):
    trained.save(run.path / "mine.safetensors")
    loaded = ctm.load(run.path / "mine.safetensors")
    with torch.inference_mode():
        same = torch.equal(loaded(images[:4]).logits, trained(images[:4]).logits)
    print("the loaded machine says the same:", same)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## And now?

    Change something above and see what becomes of it: `ticks`, `neurons`, `memory`, `iterations`. Marimo runs again
    whatever depends on it. Or train on what is yours: `your_data.py`.
    """)
    return


if __name__ == "__main__":
    app.run()
