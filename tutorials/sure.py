import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Stopping when sure")


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    # Stopping when sure

    A machine that thinks in ticks can stop early where a question is easy. But is it right when it is sure? How sure
    is sure enough, and what does the haste cost? We find out with the trained machine for handwritten digits that
    comes with the package.
    """)
    return


@app.cell
def _():
    import marimo as mo
    import matplotlib.pyplot as plt
    import torch

    import ctm
    from ctm.analysis.calibration import Calibration, calibration_over_ticks

    return Calibration, calibration_over_ticks, ctm, mo, plt, torch


@app.cell
def _(ctm, torch):
    model = ctm.load("digits")
    task = ctm.preset("digits").task.build()

    def thoughts_about(split: str) -> tuple[ctm.Thoughts, torch.Tensor, torch.Tensor]:
        """What the machine thinks of all pictures of a split; the pictures and the right answers."""
        images, labels = next(iter(task.evaluation(split, 1000)))
        with torch.inference_mode():
            return model(images), images, labels

    validation, _, validation_labels = thoughts_about("validation")
    test, images, labels = thoughts_about("test")
    print(f"{len(validation_labels)} pictures to choose with, {len(labels)} to judge by, {test.ticks} ticks")
    return images, labels, model, test, validation, validation_labels


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    The machine learned from neither. We will *choose* on the validation pictures alone, and look at the test pictures
    only to *judge* what we chose: whoever chooses on what they judge by fools themselves.

    ## Is it right when it is sure?

    Every dot is a validation picture at some tick. To the right the machine is certain, and the colour says whether it
    would have been right.
    """)
    return


@app.cell
def _(plt, torch, validation, validation_labels):
    right = validation.logits.argmax(-1) == validation_labels.unsqueeze(1)  # (pictures, ticks)
    certainty_and_truth, _axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    _height = torch.arange(1, validation.ticks + 1) + torch.empty_like(validation.certainty).uniform_(-0.35, 0.35)
    for _which, _colour, _label in ((right, "tab:green", "right"), (~right, "tab:red", "wrong")):
        _axes.scatter(validation.certainty[_which], _height[_which], s=5, color=_colour, label=_label)
    _axes.set(xlabel="certainty", ylabel="tick")
    _axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    certainty_and_truth
    return (right,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    In numbers: how often is an answer right, by how certain it is? All ticks together.
    """)
    return


@app.cell
def _(right, validation):
    by_certainty = {}
    for _low, _high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.01)):
        _inside = (validation.certainty >= _low) & (validation.certainty < _high)
        by_certainty[_low] = right[_inside].float().mean().item()
        print(
            f"certainty {_low:.1f} to {min(_high, 1):.1f}: {_inside.sum():5} answers, {by_certainty[_low]:4.0%} right"
        )
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Calibration

    Certainty is not a probability of being right. The probability that the machine gives to its own answer is meant as
    one: of all answers given with 70 %, about 70 % should be right. Where they are, the line follows the dashes; above
    them, the machine is too modest, below them too bold. On the right is how far it is off, on average, at each tick.
    """)
    return


@app.cell
def _(Calibration, calibration_over_ticks, right, validation):
    calibration = Calibration()
    calibration.add(validation.logits.softmax(-1).amax(-1), right)
    calibration_over_ticks(calibration)
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## How sure is sure enough?

    Stop each picture at the first tick whose certainty reaches a *threshold*, and answer. A low threshold saves ticks,
    a high one avoids mistakes. For any threshold, what was thought already tells what would have happened.
    """)
    return


@app.cell
def _(ctm, torch):
    def stopping(thoughts: ctm.Thoughts, labels: torch.Tensor, threshold: float) -> tuple[float, float]:
        """The share of wrong answers, and the ticks a picture takes, if thinking stops at a certainty."""
        highest = thoughts.certainty.cummax(1).values  # (pictures, ticks)
        last = (highest < threshold).sum(1).clamp_max(thoughts.ticks - 1)  # (pictures,) the tick that answers
        answers = thoughts.answers("most_certain").argmax(-1)  # (pictures, ticks)
        wrong = answers[torch.arange(len(labels)), last] != labels
        return wrong.float().mean().item(), (last + 1.0).mean().item()

    return (stopping,)


@app.cell
def _(plt, stopping, validation, validation_labels):
    thresholds = [step / 100 for step in range(5, 100, 5)] + [0.99, 0.999]
    errors, ticks = zip(*[stopping(validation, validation_labels, value) for value in thresholds], strict=True)
    saved, (_left, _right) = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained")
    _left.plot(thresholds, errors, marker=".")
    _left.set(xlabel="threshold", title="Share of wrong answers", ylim=(0, None))
    _right.plot(thresholds, ticks, marker=".")
    _right.set(xlabel="threshold", title=f"Ticks a picture, of {validation.ticks}", ylim=(0, validation.ticks))
    saved
    return errors, thresholds


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Choose the lowest threshold with no more mistakes than you can bear. Here: no more than one in a hundred beyond
    those that the machine makes if it thinks to the end. This is what it does on the validation pictures; on others it
    may make a few more mistakes or fewer, the less so the more pictures you choose with. These are few.
    `ctm.threshold_for_error` and `ctm calibrate` choose so that a bound holds for others, too, with confidence.
    """)
    return


@app.cell
def _(errors, stopping, thresholds, validation, validation_labels):
    to_the_end, _ = stopping(validation, validation_labels, 2.0)  # no certainty is above 1
    bound = to_the_end + 0.01
    threshold = next(value for value, error in zip(thresholds, errors, strict=True) if error <= bound)
    print(f"wrong when thinking to the end: {to_the_end:.1%}; bearable: {bound:.1%}; so stop at: {threshold}")
    return (threshold,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## Now do it

    `ctm.think` really stops: a picture that is done leaves, and another one takes its place. Here are the test
    pictures, which had no part in choosing.
    """)
    return


@app.cell
def _(ctm, images, labels, model, test, threshold):
    found = ctm.think(model, images, until=threshold)
    error = (found.answers.argmax(-1) != labels).float().mean().item()
    mean_ticks = found.ticks.float().mean().item()
    full_error = (test.at("most_certain").argmax(-1) != labels).float().mean().item()
    print(f"thinking to the end: {full_error:.1%} wrong, {test.ticks} ticks a picture")
    print(f"stopping when sure:  {error:.1%} wrong, {mean_ticks:.1f} ticks a picture")
    return (found,)


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    Which pictures are easy, which hard? Above those that took the fewest ticks, below those that took the most.
    """)
    return


@app.cell
def _(found, images, labels, plt):
    _order = found.ticks.argsort(stable=True)
    easy_and_hard, _axes = plt.subplots(2, 8, figsize=(8, 2.7), layout="constrained")
    for _place, _index in zip(_axes.flat, [*_order[:8].tolist(), *_order[-8:].tolist()], strict=True):
        _place.imshow(images[_index, 0].numpy(), cmap="gray")
        _said = found.answers[_index].argmax().item()
        _mark = "" if _said == labels[_index] else " ✗"
        _place.set_title(f"{_said}{_mark}, {found.ticks[_index]} ticks", fontsize=8)
        _place.axis("off")
    easy_and_hard
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    ## A budget instead

    Perhaps you know how much time you have, not how many mistakes you can bear. `ctm.threshold_for_budget` gives the
    threshold that takes so many ticks on average. Again it is chosen with validation pictures, so that on others it
    takes about as many.
    """)
    return


@app.cell
def _(ctm, images, labels, model, validation):
    budget = 7.0
    affordable = ctm.threshold_for_budget(validation.certainty, mean_ticks=budget)
    within = ctm.think(model, images, until=affordable)
    budget_ticks = within.ticks.float().mean().item()
    print(f"stop at {affordable:.2f}: {budget_ticks:.1f} ticks a picture, budget {budget:.0f}")
    print(f"wrong: {(within.answers.argmax(-1) != labels).float().mean():.1%}")
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md(r"""
    `until` can also be a rule of yours, `until=lambda certainty, answers, ticks: …`. And a machine trained with
    `least_ticks` learns to be sure much earlier; the README has numbers.
    """)
    return


if __name__ == "__main__":
    app.run()
