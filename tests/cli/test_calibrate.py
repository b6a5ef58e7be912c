import json
import re

import pytest

from cli.commands import refused, said


def test_a_certainty_with_what_it_costs(trained, capsys):
    printed = said(capsys, "calibrate", trained, "--lost", "0.9", "--confidence", "0.8")
    validation, ticks, _, title, *_, last = printed.splitlines()
    assert re.fullmatch(r"validation: lost 0\.\d{4} of 20 samples, at most 0\.\d{4} \(confidence 0\.8\)", validation)
    assert re.fullmatch(r" +\d\.\d\d ticks a sample", ticks)
    until = re.fullmatch(rf"to stop so: ctm evaluate {trained} --until ([\d.]+), ctm\.think\(…, until=\1\)", last)[1]
    assert re.fullmatch(rf"test +until {until} +all ticks", title)
    assert said(capsys, "evaluate", trained, "--until", until).splitlines()[:3] == printed.splitlines()[3:6]


def test_calibration_as_json(trained, capsys):
    found = json.loads(said(capsys, "calibrate", trained, "--lost", "0.9", "--json"))
    assert (found["run"], found["error"], found["lost"], found["confidence"]) == (str(trained), None, 0.9, 0.95)
    validation = found["validation"]
    assert validation["samples"] == 20
    assert validation["lost"] <= validation["lost_at_most"] <= 0.9
    assert 1 <= validation["ticks"] <= 5
    assert 0 < found["until"] <= 1
    assert found["full"]["ticks"] == 5


def test_fewer_ticks(trained, capsys):
    found = json.loads(said(capsys, "calibrate", trained, "--lost", "0.9", "--ticks", "3", "--json"))
    assert found["full"]["ticks"] == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "calibrate: give --error, what may be wrong, or --lost, what stopping may cost"),
        (["--error", "0.1", "--lost", "0.1"], "calibrate: give --error, what may be wrong, or --lost, what stopping"),
        (["--error", "0"], "error = 0.0: expected a number above 0 and below 1"),
        (["--lost", "1"], "lost = 1.0: expected a number above 0 and below 1"),
        (["--lost", "0.1", "--confidence", "nan"], "confidence = nan: expected a number above 0 and below 1"),
        (
            ["--lost", "0.01"],
            "20 samples: expected at least 299 to show with a confidence of 0.95 that",
        ),
        (["--error", "0.2"], "error = 0.2: waiting for a certainty of 1, or to the end, has an error of "),
    ],
)
def test_mistakes_are_one_line(trained, capsys, arguments, message):
    assert refused(capsys, "calibrate", trained, *arguments).startswith(f"ctm: {message}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sort/quick", "the task 'sort' emits its answer over ticks"),
        ("cartpole/quick", "calibrate: cartpole/quick acts: it thinks a fixed number of ticks about each observation"),
    ],
)
def test_what_does_not_stop_is_refused(capsys, name, message):
    assert refused(capsys, "calibrate", name, "--lost", "0.1").startswith(f"ctm: {message}")
