from cli.commands import said
from ctm.cli import main
from ctm.comparison.comparison import Outcome
from ctm.training import Run

COMPARED = [
    *("compare", "parity/quick", "parity/quick-lstm"),
    *("--task.evaluation-samples", "20", "--training.iterations", "2"),
]


def test_a_comparison_and_what_comes_of_it(tmp_path, capsys):
    command = [*COMPARED, "--seeds", "0", "2", "--out", tmp_path, "--quiet"]
    out = said(capsys, *command)
    lines = [line.split(" | ") for line in out.splitlines() if line.startswith("| parity")]
    assert [line[0] for line in lines] == ["| parity/quick", "| parity/quick-lstm"]
    assert all("±" in line[3] for line in lines)
    assert out.splitlines()[-3:] == [str(tmp_path / name) for name in ("results.json", "results.md", "comparison.png")]
    assert (tmp_path / "comparison.png").stat().st_size > 1000
    assert Run.open(tmp_path / "parity-quick-lstm" / "seed-2").experiment.task.loss.second_tick == "last"
    assert said(capsys, *command) == out


def test_a_stopped_comparison_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ctm.comparison.comparison.compare", lambda *_, **__: Outcome(2, []))
    assert main([*COMPARED, "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().out == "stopped; the same command goes on\n"


def test_a_comparison_of_which_a_run_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ctm.comparison.comparison.compare", lambda *_, **__: Outcome(None, ["seed-0: bad luck"]))
    assert main([*COMPARED, "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "0 of 3" in out
    assert err == "ctm: seed-0: bad luck\n"
