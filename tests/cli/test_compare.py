import pytest

from cli.commands import said
from ctm.cli import main
from ctm.comparison.comparison import Outcome
from ctm.training import Run

COMPARED = [
    *("compare", "parity/quick", "parity/quick-lstm"),
    *("--task.evaluation-samples", "20", "--training.iterations", "2"),
]


def test_a_comparison_and_what_comes_of_it(tmp_path, capsys):
    small = ("--model.ticks", "4", "--training.batch-size", "4")
    command = [*COMPARED, *small, "--seeds", "0", "2", "--out", tmp_path, "--quiet"]
    out = said(capsys, *command)
    lines = [line.split(" | ") for line in out.splitlines() if line.startswith("| parity")]
    assert [line[0] for line in lines] == ["| parity/quick", "| parity/quick-lstm"]
    assert all("±" in line[3] for line in lines)
    names = ("results.json", "results.csv", "results.md", "comparison.png")
    assert out.splitlines()[-4:] == [str(tmp_path / name) for name in names]
    assert (tmp_path / "comparison.png").stat().st_size > 1000
    assert Run.open(tmp_path / "parity-quick-lstm" / "seed-2").experiment.task.loss.second_tick == "last"
    assert said(capsys, *command) == out


def test_a_stopped_comparison_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ctm.comparison.comparison.compare", lambda *_, **__: Outcome(2, []))
    assert main([*COMPARED, "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().out == "6 runs: 2 models, 3 seeds\nstopped; the same command goes on\n"


def test_a_comparison_of_which_a_run_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ctm.comparison.comparison.compare", lambda *_, **__: Outcome(None, ["seed-0: bad luck"]))
    assert main([*COMPARED, "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "0 of 3" in out
    assert err == "ctm: seed-0: bad luck\n"


@pytest.mark.parametrize(("ended", "code"), [(None, 0), (2, 130)])
def test_a_comparison_on_a_cluster(tmp_path, capsys, monkeypatch, ended, code):
    options = tmp_path / "options.yaml"
    options.write_text("timeout_min: 7\n")
    seen = []

    def compared(comparison, executor, quiet, after_each):
        after_each()
        seen.append((executor.cluster, executor._executor.parameters["timeout_min"], len(comparison.runs), quiet))
        return Outcome(ended, [])

    monkeypatch.setattr("ctm.comparison.cluster.compare_on_cluster", compared)
    out = tmp_path / "out"
    cluster = ["--cluster", "local", "--cluster-options", str(options), "--model.ticks", "4", "5"]
    assert main([*COMPARED, *cluster, "--seeds", "0", "--out", str(out)]) == code
    assert seen == [("local", 7, 4, False)]
    printed = capsys.readouterr().out
    assert printed.startswith("4 runs: 4 models, 1 seeds\n")
    assert "stopped" not in printed
    assert (out / "results.csv").exists()
