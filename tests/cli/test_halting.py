import json
import re

import pytest

from ctm.cli import main

TINY = [
    *("--task.length", "4", "--model.readout.answer", "4", "--task.evaluation-samples", "20"),
    *("--model.core.neurons", "20", "--model.ticks", "5", "--model.backbone.width", "8"),
    *("--model.observer.embedding", "8", "--training.iterations", "3", "--training.accelerator", "cpu", "--quiet"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, only to be read."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "parity/quick", "--run", str(run), *TINY]) == 0
    return str(run)


def scores(capsys, *arguments):
    assert main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_stopped_and_full_side_by_side(trained, capsys):
    assert main(["evaluate", trained, "--until", "0.8"]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"test +until 0\.8 +all ticks", title)
    assert [re.sub(r" +[\d.]+ +[\d.]+$", "", line) for line in lines] == [
        "whole accuracy",
        "ticks",
        "samples per second",
    ]


@pytest.mark.parametrize(("until", "ticks"), [("1e-9", 1), ("1", 5)])
def test_ticks_are_counted(trained, capsys, until, ticks):
    found = scores(capsys, trained, "--until", until)
    assert found["stopped"]["ticks"] == ticks
    assert found["full"]["ticks"] == 5
    assert found["until"] == float(until)


def test_never_stopping_scores_as_the_full_run(trained, capsys):
    found = scores(capsys, trained, "--until", "1")
    assert main(["evaluate", trained, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    for name in ("accuracy", "whole_accuracy"):
        assert found["stopped"][name] == found["full"][name] == pytest.approx(plain[name])


def test_a_budget_is_kept_on_the_training_split(trained, capsys):
    found = scores(capsys, trained, "--budget", "2.5", "--split", "train")
    assert 1 <= found["stopped"]["ticks"] <= 2.6
    assert 0 < found["until"] <= 1


def test_fewer_ticks(trained, capsys):
    assert scores(capsys, trained, "--until", "1", "--ticks", "3")["stopped"]["ticks"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--until", "0"], "until = 0.0: expected a certainty above 0 and at most 1"),
        (["--until", "1.5"], "until = 1.5: expected a certainty above 0 and at most 1"),
        (["--until", "nan"], "until = nan: expected a certainty above 0 and at most 1"),
        (["--budget", "0.5"], "budget = 0.5: expected at least 1 tick"),
        (["--until", "0.5", "--budget", "2"], "evaluate: give --until or --budget, not both"),
    ],
)
def test_mistakes_are_one_line(trained, capsys, arguments, message):
    assert main(["evaluate", trained, *arguments]) == 2
    assert capsys.readouterr().err == f"ctm: {message}\n"
