import json
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ctm.training.metric_log import MetricLog


def write(folder, iterations, after=-1):
    folder.mkdir(exist_ok=True)
    log = MetricLog(folder, after, seconds=10.0, writes=True)
    for iteration in iterations:
        log.trained({"iteration": iteration, "loss": iteration / 10}, samples=8)
        log.evaluated({"iteration": iteration, "split": "test", "accuracy": 0.5, "by_tick": [0.5, 1.0]})
    log.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_was_written_after_the_checkpoint_is_written_again(tmp_path):
    write(tmp_path / "whole", [2, 4, 6])
    write(tmp_path / "resumed", [2, 4])
    metrics = tmp_path / "resumed" / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-9])
    write(tmp_path / "resumed", [4, 6], after=2)
    assert metrics.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert [line["iteration"] for line in lines(tmp_path / "resumed" / "timing.jsonl")] == [2, 4, 6]


def test_times_are_apart_from_metrics(tmp_path):
    write(tmp_path, [2, 4])
    timing = lines(tmp_path / "timing.jsonl")
    assert timing[0].keys() == {"iteration", "seconds", "samples_per_second"}
    assert 10 < timing[0]["seconds"] < timing[1]["seconds"]
    assert timing[1]["samples_per_second"] > 0


def test_tensorboard_has_every_step_once(tmp_path):
    write(tmp_path, [2, 4])
    write(tmp_path, [4, 6], after=2)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in board.Scalars("train_step/loss")] == [2, 4, 6]
    assert [event.step for event in board.Scalars("test/accuracy")] == [2, 4, 6]


def test_without_tensorboard_it_says_so_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    write(tmp_path, [2])
    assert capsys.readouterr().err.count("\n") == 1
    assert len(lines(tmp_path / "metrics.jsonl")) == 2


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_what_json_has_no_number_for_is_null(tmp_path, value):
    log = MetricLog(tmp_path, -1, 0.0, writes=True)
    log.evaluated({"iteration": 0, "split": "test", "loss": value, "by_tick": [1.0, value]})
    log.close()
    (line,) = lines(tmp_path / "metrics.jsonl")
    assert (line["loss"], line["by_tick"]) == (None, [1.0, None])


def test_all_processes_but_the_first_write_nothing(tmp_path):
    log = MetricLog(tmp_path, -1, 0.0, writes=False)
    log.trained({"iteration": 1, "loss": 1.0}, samples=8)
    log.sync()
    log.close()
    assert list(tmp_path.iterdir()) == []
