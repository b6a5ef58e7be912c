import csv
import json
import re

import pytest

from cli.commands import said
from ctm.cli import main
from ctm.training import Run


def test_evaluation_prints_scores(trained, capsys):
    lines = said(capsys, "evaluate", trained).splitlines()
    assert {line.split(":")[0] for line in lines} == {
        *("test loss", "test accuracy", "test accuracy last", "test whole accuracy")
    }
    assert all(re.search(r": \d+\.\d{4}$", line) for line in lines)


def test_evaluation_as_json(trained, capsys):
    scores = json.loads(said(capsys, "evaluate", trained, "--json", "--checkpoint", "last"))
    assert (scores["run"], scores["split"], scores["checkpoint"]) == (str(trained), "test", "last")
    assert len(scores["accuracy_by_tick"]) == len(scores["certainty_by_tick"]) == 5
    logged = [line for line in Run.open(trained).metrics() if line.get("checkpoint") == "last"][-1]
    assert logged["iteration"] == 3
    for name in ("loss", "accuracy", "whole_accuracy", "accuracy_last"):
        assert scores[name] == pytest.approx(logged[name], abs=1e-6)


def test_evaluation_of_other_samples_and_ticks(trained, capsys):
    test, train, longer = (
        json.loads(said(capsys, "evaluate", trained, "--json", *options))
        for options in ((), ("--split", "train"), ("--ticks", "8"))
    )
    assert train["split"] == "train"
    assert train["loss"] != test["loss"]
    assert len(longer["accuracy_by_tick"]) == 8
    assert longer["accuracy_by_tick"][:5] == pytest.approx(test["accuracy_by_tick"])


@pytest.mark.parametrize("stopping", [(), ("--until", "0.5"), ("--budget", "2")], ids=" ".join)
def test_another_precision_scores_nearly_the_same(trained, capsys, stopping):
    full, half = (scores(capsys, trained, *stopping, "--precision", precision) for precision in ("fp32", "bf16"))
    if stopping:
        full, half = full["full"], half["full"]
    else:
        assert full["loss"] != half["loss"]
        assert full["loss"] == pytest.approx(half["loss"], abs=0.02)
    assert full["accuracy"] == pytest.approx(half["accuracy"], abs=0.1)


def scores(capsys, *arguments):
    return json.loads(said(capsys, "evaluate", *arguments, "--json"))


def test_stopped_and_full_side_by_side(trained, capsys):
    assert main(["evaluate", str(trained), "--until", "0.8"]) == 0
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
    assert main(["evaluate", str(trained), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    for name in ("accuracy", "whole_accuracy"):
        assert found["stopped"][name] == found["full"][name] == pytest.approx(plain[name])


def test_a_budget_is_kept_on_the_training_split(trained, capsys):
    found = scores(capsys, trained, "--budget", "2.5", "--split", "train")
    assert 1 <= found["stopped"]["ticks"] <= 2.6
    assert 0 < found["until"] <= 1


def test_fewer_ticks(trained, capsys):
    assert scores(capsys, trained, "--until", "1", "--ticks", "3")["stopped"]["ticks"] == 3


def test_several_thoughts_and_one_side_by_side(trained, capsys):
    title, *lines = said(capsys, "evaluate", trained, "--samples", "3", "--noise", "0.5").splitlines()
    assert re.fullmatch(r"test +3 samples +1 sample", title)
    assert re.fullmatch(r"ticks +15\.0000 +5\.0000", lines[1])


@pytest.mark.parametrize("stopping", [(), ("--until", "0.05"), ("--budget", "2")], ids=" ".join)
def test_several_thoughts_as_json(trained, capsys, stopping):
    options = ("--samples", "3", "--noise", "0.5", "--choose", "mean", "--seed", "4", *stopping)
    found = scores(capsys, trained, *options)
    assert [found[name] for name in ("samples", "noise", "choose", "seed")] == [3, 0.5, "mean", 4]
    other = scores(capsys, trained, *stopping) if stopping else {"until": None, "stopped": found["single"]}
    assert found["until"] == other["until"]
    for name in ("accuracy", "whole_accuracy", "ticks"):
        assert found["single"][name] == other["stopped"][name]
    assert found["sampled"]["ticks"] > found["single"]["ticks"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--until", "0"], "until = 0.0: expected a certainty above 0 and at most 1"),
        (["--until", "1.5"], "until = 1.5: expected a certainty above 0 and at most 1"),
        (["--until", "nan"], "until = nan: expected a certainty above 0 and at most 1"),
        (["--budget", "0.5"], "budget = 0.5: expected at least 1 tick"),
        (["--until", "0.5", "--budget", "2"], "evaluate: give --until or --budget, not both"),
        (["--until", "0.5", "--ways"], "evaluate: give --ways, or one of --until and --budget"),
        (["--budget", "2", "--ways"], "evaluate: give --ways, or one of --until and --budget"),
        (
            ["--until", "0.5", "--whole"],
            "evaluate: --whole shows a picture at a time; --until and --budget think about several",
        ),
        (["--whole"], "evaluate: --whole is for the task 'images'; this run's is 'parity'"),
        (["--samples", "0", "--noise", "0.1"], "samples = 0: expected at least 2, to be compared with one thought"),
        (["--samples", "2"], "samples = 2: expected noise, without which all thoughts are the same"),
        (
            ["--samples", "2", "--noise", "-1"],
            "noise = -1.0: expected a number above 0, a share of the post-activations",
        ),
        (["--noise", "0.1"], "evaluate: --noise and --choose need --samples"),
        (["--choose", "vote"], "evaluate: --noise and --choose need --samples"),
        (["--samples", "2", "--noise", "1", "--ways"], "evaluate: give --samples, or one of --ways and --whole"),
        (["--samples", "2", "--noise", "1", "--whole"], "evaluate: give --samples, or one of --ways and --whole"),
        (["--batch-norm", "0"], "batch_norm = 0: expected at least 1 batch"),
        (["--csv", "ways.csv"], "evaluate: --csv ways.csv needs --ways"),
        (["--ways", "--csv", "nowhere/ways.csv"], "--csv nowhere/ways.csv: there is no folder nowhere"),
    ],
)
def test_mistakes_are_one_line(trained, capsys, arguments, message):
    assert main(["evaluate", str(trained), *arguments]) == 2
    assert capsys.readouterr().err == f"ctm: {message}\n"


def test_every_way_of_answering(trained, capsys, tmp_path):
    file = tmp_path / "ways.csv"
    title, *lines = said(capsys, "evaluate", trained, "--ways", "--csv", file).splitlines()
    assert title.startswith("test split, after tick 5")
    assert len(lines) == 5
    rows = scores(capsys, trained, "--ways")["ways"]
    assert list(csv.DictReader(file.read_text().splitlines())) == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in rows
    ]
    known = scores(capsys, trained)
    by_tick = [row["top_1"] for row in rows if row["way"] == "last"]
    assert by_tick == pytest.approx(known["accuracy_by_tick"])
    assert [row["top_1"] for row in rows if row["way"] == "most_certain"][-1] == pytest.approx(known["accuracy"])
    train = scores(capsys, trained, "--ways", "--split", "train", "--ticks", "8")
    assert (train["split"], len(train["ways"])) == ("train", 40)
