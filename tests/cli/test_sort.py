"""Sorting from the command line."""

import json

import pytest

from ctm.cli import main

TINY = [
    *("--task.evaluation-samples", "10", "--model.core.neurons", "20", "--model.ticks", "10"),
    *("--training.iterations", "2", "--training.accelerator", "cpu", "--quiet"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, only to be read but for its figures."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "sort/quick", "--run", str(run), *TINY]) == 0
    return str(run)


def test_scores(trained, capsys):
    assert main(["evaluate", trained, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert {"loss", "accuracy", "whole_accuracy", "emitted", "ticks", "wait"} <= scores.keys()
    assert 0 <= scores["emitted"] <= 10


def test_typed_numbers_are_sorted(trained, capsys):
    assert main(["think", trained, "--text", "-0.3 1.2 0.5 -1 -2 2 0.1 0.9"]) == 0
    answer, in_order, count, animation = capsys.readouterr().out.splitlines()
    assert answer.startswith("answer: ")
    assert in_order.startswith("sorted: ")
    assert count.endswith("of 10") or count == "said: 0 of 8 numbers"
    assert animation.endswith("think-text.gif")


def test_figures(trained, capsys):
    assert main(["figures", trained]) == 0
    names = {line.rsplit("/", 1)[1] for line in capsys.readouterr().out.splitlines()}
    assert names == {
        *("training.png", "neurons.png", "demonstration.png", "waits.png", "generalization.png"),
        *("similarity.png", "neuron-map.png", "neuron-map.gif", "neuron-map.mp4", "thinking.gif", "thinking.mp4"),
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["think", "--text", "1 2 three"], "'1 2 three': expected numbers, with spaces or commas between them"),
        (["think", "--text", "-1 2"], "'-1 2': 2 numbers; expected 8"),
        (["think", "--text="], "'': 0 numbers; expected 8"),
        (["evaluate", "--until", "0.8"], "the task 'sort' emits its answer over ticks"),
        (["evaluate", "--samples", "2", "--noise", "0.5"], "the task 'sort' emits its answer over ticks"),
        (["evaluate", "--budget", "3"], "the task 'sort' emits its answer over ticks"),
        (["evaluate", "--ways"], "the task 'sort' emits its answer over ticks"),
        (["evaluate", "--ticks", "7"], "ticks = 7: expected at least 8, one for each number to sort"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(trained, arguments, message, capsys):
    command, *options = arguments
    assert main([command, trained, *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ctm: {message}")
    assert err.count("\n") == 1
