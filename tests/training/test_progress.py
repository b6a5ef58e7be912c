import json
import sys

from ctm.training.progress import Progress

STEP = {"iteration": 3, "loss": 0.25, "accuracy": 0.5}
SCORES = {"iteration": 3, "split": "test", "accuracy": 0.75, "by_tick": [0.5]}


def show(quiet: bool):
    progress = Progress(done=2, iterations=10, quiet=quiet)
    progress.advance()
    progress.show(STEP)
    progress.show(SCORES)
    progress.close()


def test_programs_get_lines_of_json(capsys):
    show(quiet=False)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [STEP, SCORES]


def test_people_get_a_bar(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show(quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/10" in err
    assert "loss 0.25, accuracy 0.5" in err
    assert "3 test: accuracy 0.75" in err


def test_quiet_is_quiet(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show(quiet=True)
    assert capsys.readouterr() == ("", "")
