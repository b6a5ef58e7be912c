import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Your own data")


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Your own data

    You have numbers and a label for each row of them, and would like a machine that finds the label of a new row. One
    call, `ctm.fit`, looks at the data, chooses the sizes, and trains. Here the data are flowers; yours go in the same
    way.
    """)
    return


@app.cell
def _():
    import tempfile
    from pathlib import Path

    import marimo as mo
    import matplotlib.pyplot as plt
    import numpy as np
    import torch
    from sklearn.datasets import load_iris

    import ctm

    return Path, ctm, load_iris, mo, np, plt, tempfile, torch


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## The data

    `x` has a row for each flower and a column for each measurement; `y` has the name of its species. Names or whole
    numbers will both do. Series `(N, time, channels)` and pictures `(N, H, W, C)` would be welcome too.

    We keep only two of the four measurements: so we can draw everything, and the question becomes hard enough for
    mistakes.
    """)
    return


@app.cell
def _(load_iris):
    _iris = load_iris()
    columns = slice(0, 2)
    x, measured = _iris.data[:, columns], _iris.feature_names[columns]
    y = _iris.target_names[_iris.target]
    print("x:", x.shape, measured, " y:", y.shape)
    print("the first row:", x[0], y[0])
    return measured, x, y


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Put a third of the flowers aside. The machine must not see them while it learns, or we would be fooling ourselves.
    """)
    return


@app.cell
def _(np, x, y):
    _order = np.random.default_rng(0).permutation(len(x))
    _test, _train = _order[:50], _order[50:]
    x_train, y_train = x[_train], y[_train]
    x_test, y_test = x[_test], y[_test]
    return x_test, x_train, y_test, y_train


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Train

    Sizes, classes and the scale of the measurements are found out from the data. 100 steps are few, but enough here;
    without `iterations`, it would be the 1,000 of the preset `arrays`.
    """)
    return


@app.cell
def _(Path, ctm, tempfile, x_test, x_train, y_test, y_train):
    fitted = ctm.fit(
        "arrays",
        train=(x_train, y_train),
        test=(x_test, y_test),
        run=Path(tempfile.mkdtemp()) / "flowers",
        iterations=100,
        quiet=True,
    )
    print("classes:", ", ".join(fitted.task.learned.classes))
    print(f"right on the flowers put aside: {fitted.scores['accuracy']:.0%}   (guessing: 33%)")
    return (fitted,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Predict

    Give rows like those you trained with, and get labels like those you trained with.
    """)
    return


@app.cell
def _(fitted, x_test, y_test):
    predicted = fitted.predict(x_test)
    for _row, _said, _true in zip(x_test[:5], predicted, y_test, strict=False):
        print(_row, "→", _said, "" if _said == _true else f"(in truth {_true})")
    return (predicted,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## How certain is it?

    `predict` only gives labels. The machine itself gives an answer and a certainty at every tick; `fitted.task.inputs`
    scales your numbers as it did in training. Its final answer is that of the tick at which it was most certain.
    """)
    return


@app.cell
def _(fitted, torch, x_test):
    with torch.inference_mode():
        thoughts = fitted.model(fitted.task.inputs(x_test))
    certainty = thoughts.certainty.amax(1).numpy()
    print("certainty of the first five:", certainty[:5].round(2))
    return (certainty,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Where is it wrong?

    A table says which species are taken for which. A row is the truth, a column what the machine said, so that
    whatever is off the diagonal is a mistake.
    """)
    return


@app.cell
def _(fitted, mo, np, predicted, y_test):
    _classes = fitted.task.learned.classes
    confusion = np.array([[((y_test == true) & (predicted == said)).sum() for said in _classes] for true in _classes])
    _rows = [
        f"| **{true}** | {' | '.join(map(str, row))} |" for true, row in zip(_classes, confusion.tolist(), strict=True)
    ]
    mo.md("\n".join([f"| truth ↓ said → | {' | '.join(_classes)} |", "|---" * 4 + "|", *_rows]))
    return


@app.cell
def _(certainty, predicted, y_test):
    wrong = predicted != y_test
    if wrong.any():
        print(f"mean certainty where it is right: {certainty[~wrong].mean():.2f}")
        print(f"mean certainty where it is wrong: {certainty[wrong].mean():.2f}")
    return (wrong,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Now the whole plane: we ask about every possible flower. Colours are answers, and the paler they are, the less
    certain is the machine. Dots are the flowers put aside, in the colour of their true species; crosses mark the
    mistakes.
    """)
    return


@app.cell
def _(fitted, np, torch, x):
    _low, _high = x.min(0) - 0.3, x.max(0) + 0.3
    across, up = np.meshgrid(np.linspace(_low[0], _high[0], 60), np.linspace(_low[1], _high[1], 60))
    with torch.inference_mode():
        _everywhere = fitted.model(fitted.task.inputs(np.stack([across.ravel(), up.ravel()], axis=1)))
    answers = _everywhere.at("most_certain").argmax(-1).reshape(across.shape).numpy()
    sureness = _everywhere.certainty.amax(1).reshape(across.shape).numpy()
    return across, answers, sureness, up


@app.cell
def _(
    across,
    answers,
    fitted,
    measured,
    np,
    plt,
    sureness,
    up,
    wrong,
    x_test,
    y_test,
):
    plane, _axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    _colours = np.array([(0.9, 0.5, 0.1), (0.2, 0.4, 0.8), (0.2, 0.6, 0.3)])  # red, green and blue of every class
    _extent = (across.min(), across.max(), up.min(), up.max())
    _axes.imshow(_colours[answers], alpha=0.6 * sureness, origin="lower", extent=_extent, aspect="auto")
    for _name, _colour in zip(fitted.task.learned.classes, _colours, strict=True):
        _axes.scatter(*x_test[y_test == _name].T, color=[_colour], edgecolor="white", label=_name)
    _axes.scatter(*x_test[wrong].T, marker="x", color="black", label="mistaken")
    _axes.set(xlabel=measured[0], ylabel=measured[1])
    _axes.legend(loc="upper right")
    plane
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Two of the species overlap: by these two measurements alone, nobody could tell them apart everywhere. The other two
    measurements would help, and you can try: replace `slice(0, 2)` above by `slice(2, 4)`.

    ## Keep it

    The folder of the run has everything, your data too. `ctm.FittedModel(ctm.Run.open(folder))` opens it again, and
    every command works on it: `ctm evaluate FOLDER`, `ctm figures FOLDER`.
    """)
    return


@app.cell
def _(ctm, fitted, predicted, x_test):
    again = ctm.FittedModel(ctm.Run.open(fitted.run.path))
    print("opened again, it predicts the same:", (again.predict(x_test) == predicted).all())
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    No Python needed? `ctm train arrays --task.train flowers.csv --task.target species` does all this with a table;
    `docs/your-data.md` has the details.
    """)
    return


if __name__ == "__main__":
    app.run()
