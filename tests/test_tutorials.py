"""The tutorials are clean, run as scripts, show what they say, and can be exported."""

import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import marimo
import matplotlib.pyplot as plt
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.py"))

Run = Callable[[str], Mapping[str, Any]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a tutorial as a script, and gives what its cells define."""
    defined: list[Mapping[str, Any]] = []
    original = marimo.App.run

    def remembering(app: marimo.App) -> Any:
        outputs, definitions = original(app)
        defined.append(definitions)
        return outputs, definitions

    monkeypatch.setattr(marimo.App, "run", remembering)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def script(name: str) -> Mapping[str, Any]:
        runpy.run_path(str(ROOT / "tutorials" / f"{name}.py"), run_name="__main__")
        (definitions,) = defined
        return definitions

    with plt.rc_context({"backend": "agg"}):
        yield script
    plt.close("all")


def test_marimo_finds_nothing_to_complain_about() -> None:
    assert len(TUTORIALS) == 4
    checked = subprocess.run(
        [sys.executable, "-m", "marimo", "check", "--strict", *map(str, TUTORIALS)], capture_output=True, text=True
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_first_machine_learns_gets_surer_and_is_saved(run: Run) -> None:
    names = run("first_machine")
    assert names["untrained"].logits.shape == (4, 8, 10)
    assert names["untrained"].certainty.max() < 0.1
    assert names["scores"]["accuracy"] > 0.5  # of ten digits
    certainty = names["scores"]["certainty_by_tick"]
    assert certainty[-1] > certainty[0] + 0.2
    assert names["thoughts"].record.attention.shape[:2] == (1, 8)
    assert names["same"]


def test_flowers_are_told_apart_and_mistakes_are_less_certain(run: Run) -> None:
    names = run("your_data")
    truth, predicted, wrong = names["y_test"], names["predicted"], names["wrong"]
    assert (predicted == truth).mean() > 0.6  # of three species
    assert names["confusion"].sum() == len(truth)
    assert names["confusion"].trace() == (~wrong).sum()
    assert wrong.sum() > 0
    assert names["certainty"][wrong].mean() < names["certainty"][~wrong].mean()
    assert (names["again"].predict(names["x_test"]) == predicted).all()


def test_the_maze_is_solved_and_silent_neurons_break_it(run: Run) -> None:
    names = run("maze_and_lesion")
    healthy = names["healthy"].float().mean().item()
    assert healthy > 0.5
    route = names["routes"][names["chosen"]]
    assert (names["thoughts"].at("most_certain")[0].argmax(-1) == route).all()
    assert (names["lesioned"].at("most_certain")[0].argmax(-1) != route).any()
    for curve in names["curves"]:
        assert curve[0] > healthy - 0.1
        assert curve[names["counts"].index(96)] < healthy / 2
        assert curve[-1] == 0
    assert names["always"] < healthy / 2
    assert min(names["at_tick"]) > healthy - 0.1
    assert names["solved"]().float().mean().item() == healthy  # what was silenced is not any more


def test_stopping_when_sure_saves_ticks_within_the_bound(run: Run) -> None:
    names = run("sure")
    shares = list(names["by_certainty"].values())
    assert shares[-1] > shares[0] + 0.1
    assert names["calibration"].error(-1) < names["calibration"].error(4)
    chosen = names["thresholds"].index(names["threshold"])
    assert names["errors"][chosen] <= names["bound"]
    assert all(error > names["bound"] for error in names["errors"][:chosen])
    expected = names["stopping"](names["test"], names["labels"], names["threshold"])
    assert (names["error"], names["mean_ticks"]) == pytest.approx(expected, abs=0.01)
    assert names["error"] < names["full_error"] + 0.02
    assert names["mean_ticks"] < names["test"].ticks / 2 + 1
    assert names["budget_ticks"] == pytest.approx(names["budget"], abs=0.5)


def test_a_tutorial_is_exported_with_its_outputs(tmp_path: Path) -> None:
    said = "144 pictures to choose with, 359 to judge by"  # where the code has names in braces
    variables = [f"BIN={Path(sys.executable).parent}", "TUTORIALS=tutorials/sure.py", f"EXPORTED={tmp_path}"]
    made = subprocess.run(["make", "-o", ".venv/.ready", "tutorials", *variables], cwd=ROOT, capture_output=True)
    assert made.returncode == 0, made.stderr
    assert said in (tmp_path / "sure.html").read_text(encoding="utf-8")
    notebook = nbformat.read(tmp_path / "sure.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any(said in output.get("text", "") for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
