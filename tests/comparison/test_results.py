import json
import shutil
from statistics import mean, stdev

import pytest

from ctm.baselines import parameters
from ctm.comparison.comparison import Comparison, compare
from ctm.comparison.results import comparison_results, table
from ctm.training import RunError
from training.experiments import parity


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """One model with two seeds, and one of which no run is finished."""
    folder = tmp_path_factory.mktemp("compared")
    made = Comparison(folder, {"one": parity(evaluate_every=2)}, seeds=(0, 1))
    compare(made, quiet=True)
    return Comparison(folder, {"one": parity(evaluate_every=2), "two": parity(iterations=5)}, seeds=(0, 1))


def test_means_and_spreads_are_those_of_the_best_checkpoints(comparison):
    found = comparison_results(comparison)
    assert (found["task"], found["primary_metric"], found["seeds"]) == ("parity", "whole_accuracy", [0, 1])
    model = found["models"]["one"]
    assert model["parameters"] == parameters(parity().model)
    tests = [
        {line["checkpoint"]: line for line in run.metrics() if line.get("split") == "test"}
        for run in comparison.of("one").values()
    ]
    for score in ("loss", "accuracy", "accuracy_last", "whole_accuracy"):
        values = [lines["best"][score] for lines in tests]
        assert model["summary"][score] == {"mean": pytest.approx(mean(values)), "spread": pytest.approx(stdev(values))}
    last = [lines["last"]["whole_accuracy"] for lines in tests]
    assert model["summary"]["last"]["mean"] == pytest.approx(mean(last))
    assert [model["runs"][seed]["last"]["whole_accuracy"] for seed in (0, 1)] == last
    assert all(run["seconds"] > 0 for run in model["runs"].values())
    assert found["models"]["two"] == {
        "preset": "two",
        "parameters": parameters(parity().model),
        "runs": {},
        "summary": {},
    }
    assert json.loads(json.dumps(found))["models"]["one"]["summary"] == model["summary"]


def test_the_table(comparison):
    found = comparison_results(comparison)
    header, rule, one, two = (line.strip("| ").split(" | ") for line in table(found).splitlines())
    assert header[:3] == ["model", "parameters", "seeds"]
    assert header[3:] == ["whole accuracy", "accuracy", "loss", "last whole accuracy", "minutes"]
    assert len(rule) == len(one) == len(two) == len(header)
    loss = found["models"]["one"]["summary"]["loss"]
    assert one[:3] == ["one", f"{parameters(parity().model):,}", "2"]
    assert one[5] == f"{loss['mean']:.3f} ± {loss['spread']:.3f}"
    assert two[2:] == ["0 of 2", *["–"] * 5]


def test_a_single_seed_has_no_spread(comparison):
    single = Comparison(comparison.folder, {"one": parity(evaluate_every=2)}, seeds=(1,))
    assert comparison_results(single)["models"]["one"]["summary"]["loss"]["spread"] is None
    assert "±" not in table(comparison_results(single))


@pytest.mark.parametrize("name", ["metrics.jsonl", "timing.jsonl"])
def test_files_that_end_before_the_run_does_are_refused(comparison, tmp_path, name):
    copy = Comparison(shutil.copytree(comparison.folder, tmp_path / "copy"), comparison.experiments, seeds=(0, 1))
    path = copy.runs["one", 1].path / name
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(RunError, match=f"{name}: .* iteration 12"):
        comparison_results(copy)
