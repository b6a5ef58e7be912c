"""Runs as rows."""

import csv
import io
import shutil

import pytest

import ctm
from ctm.baselines import parameters
from ctm.comparison.comparison import Comparison, compare
from ctm.comparison.rows import rows_of, to_csv
from ctm.training import AdamW, Run, RunError
from training.experiments import parity


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """Two learning rates, of which the second is not trained with the second seed."""
    models = {f"plain learning_rate={rate}": parity(iterations=2, optimizer=AdamW(rate)) for rate in (0.01, 0.1)}
    folder = tmp_path_factory.mktemp("runs") / "compared"
    presets = dict.fromkeys(models, "plain")
    compare(Comparison(folder, models, (0,), presets), quiet=True)
    compare(Comparison(folder, {name: models[name] for name in list(models)[:1]}, (1,)), quiet=True)
    return Comparison(folder, models, (0, 1), presets)


def scores(run, checkpoint):
    (line,) = (line for line in run.metrics() if line.get("checkpoint") == checkpoint)
    return {f"{checkpoint}.{name}": value for name, value in line.items() if isinstance(value, float)}


def test_a_row_for_each_finished_run_of_a_comparison(comparison):
    rows = rows_of(comparison)
    assert [(row["model"], row["seed"]) for row in rows] == [
        ("plain learning_rate=0.01", 0),
        ("plain learning_rate=0.01", 1),
        ("plain learning_rate=0.1", 0),
    ]
    run = comparison.runs["plain learning_rate=0.1", 0]
    seconds = rows[2].pop("seconds")
    assert seconds > 0
    assert rows[2] == {
        "model": "plain learning_rate=0.1",
        "preset": "plain",
        "training.optimizer.learning_rate": 0.1,
        "seed": 0,
        "parameters": parameters(parity().model),
        "path": str(run.path),
        **scores(run, "best"),
        **scores(run, "last"),
    }


def test_rows_as_text(comparison):
    rows = rows_of(comparison)
    found = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert found == [{key: str(value) for key, value in row.items()} for row in rows]
    assert to_csv([{"a": 'x, "y"', "b": None}]) == 'a,b\n"x, ""y""",\n'
    assert to_csv([]) == "\n"


def test_all_runs_below_a_folder(comparison, tmp_path):
    folder = tmp_path / "runs"
    shutil.copytree(comparison.folder, folder / "compared")
    Run.create(folder / "alone", parity(seed=7))
    (folder / "notes").mkdir()
    rows = ctm.results(str(folder))
    assert len({tuple(row) for row in rows}) == 1  # the same keys, for any table
    alone, first, _, second, unfinished = rows
    assert [row["status"] for row in rows] == ["unfinished", "finished", "finished", "finished", "unfinished"]
    assert (alone["path"], alone["seed"], alone["iteration"], alone["best.loss"]) == (
        str(folder / "alone"),
        7,
        None,
        None,
    )
    assert (second["task"], second["iteration"], second["error"]) == ("parity", 2, None)
    assert [row["training.optimizer.learning_rate"] for row in rows] == [0.01, 0.01, 0.01, 0.1, 0.1]
    assert [row["training.iterations"] for row in rows] == [12, 2, 2, 2, 2]
    assert "training.seed" not in first
    assert "training.batch_size" not in first
    run = comparison.runs["plain learning_rate=0.01", 0]
    found = {key: value for key, value in first.items() if key.startswith(("best.", "last."))}
    assert found == scores(run, "best") | scores(run, "last")
    assert unfinished["path"].endswith("seed-1")


def without_metrics(run):
    (run / "metrics.jsonl").unlink()


def without_times(run):
    path = run / "timing.jsonl"
    path.write_text(path.read_text().replace("seconds", "minutes"))


def without_tests(run):
    path = run / "metrics.jsonl"
    path.write_text(path.read_text().replace('"test"', '"exam"'))


@pytest.mark.parametrize(
    ("harm", "error"),
    [
        (without_metrics, "0 lines up to the checkpoint"),
        (without_times, "expected a last line of iteration 2, with seconds"),
        (without_tests, "expected test scores of the best and of the last"),
        (lambda run: (run / "config.yaml").write_text("training: {iterations: 3}"), "config.yaml: task: missing"),
        (lambda run: (run / "config.yaml").write_bytes(b"\xff"), "not a text in UTF-8"),
        (lambda run: (run / "checkpoints/00000002/state.json").write_text("{"), "broken checkpoint"),
    ],
)
def test_a_broken_run_is_a_row(comparison, tmp_path, harm, error):
    for seed in (0, 1):
        shutil.copytree(comparison.runs["plain learning_rate=0.01", 0].path, tmp_path / f"seed-{seed}")
    harm(tmp_path / "seed-0")
    broken, whole = ctm.results(tmp_path)
    assert broken["status"] == "broken"
    assert error in broken["error"]
    assert broken["best.loss"] is None
    assert (whole["status"], whole["error"]) == ("finished", None)


def test_folders_without_runs(tmp_path):
    assert ctm.results(tmp_path) == []
    with pytest.raises(RunError, match="nowhere: no such folder"):
        ctm.results(tmp_path / "nowhere")
