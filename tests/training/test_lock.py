import threading
from types import SimpleNamespace

import pytest

from ctm.training import Run, RunError, RunExists, train
from ctm.training.lock import locked, locked_by_the_first
from training.experiments import parity
from training.processes import start, wait_for


def test_a_run_has_one_writer_and_a_killed_one_does_not_block(tmp_path):
    run = Run.create(tmp_path / "run", parity(iterations=3000, evaluate_every=3000, checkpoint_every=3000))
    process = start(run.path)
    try:
        wait_for(run.path, 4)
        with pytest.raises(RunError, match=rf"run: process {process.pid} on .* is writing this run; wait"):
            train(run, quiet=True)
        seen = len(run.metrics())
        wait_for(run.path, run.metrics()[-1]["iteration"] + 4)
        assert [line["iteration"] for line in run.metrics()[2:seen]] == list(range(2, 2 * seen - 2, 2))
    finally:
        process.kill()
        process.join()
    with locked(run.path):
        pass


def test_training_holds_the_lock_from_the_first_line_to_the_last(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", parity(iterations=2))
    held = []

    def save(*arguments):
        with pytest.raises(RunError, match="is writing this run"), locked(run.path):
            pass
        held.append(run.metrics()[-1]["iteration"])
        raise KeyboardInterrupt

    monkeypatch.setattr("ctm.training.session.save_checkpoint", save)
    with pytest.raises(KeyboardInterrupt):
        train(run, quiet=True)
    assert held == [0]
    with locked(run.path):
        pass


def test_of_many_that_make_the_same_run_one_does(tmp_path):
    made, refused = [], []
    together = threading.Barrier(8)

    def create():
        together.wait()
        try:
            made.append(Run.create(tmp_path / "run", parity()))
        except RunError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 7)
    assert all("exists already" in message or "is writing this run" in message for message in refused)
    assert Run.open(tmp_path / "run").experiment == parity()


def test_what_a_lock_leaves_does_not_count_as_a_run(tmp_path):
    with locked(tmp_path):
        with pytest.raises(RunError, match="is writing this run"):
            Run.create(tmp_path, parity())
        assert not (tmp_path / "config.yaml").exists()
    Run.create(tmp_path, parity())
    with pytest.raises(RunExists):
        Run.create(tmp_path, parity())


@pytest.mark.parametrize("first", [True, False])
def test_of_several_processes_the_first_locks_and_the_others_fail_with_it(tmp_path, first):
    told = []

    def broadcast(message):
        told.append(message)
        return message if first else "the first says no"

    fabric = SimpleNamespace(is_global_zero=first, broadcast=broadcast)
    refused = pytest.raises(RunError, match="is writing this run" if first else "the first says no")
    with locked(tmp_path), refused, locked_by_the_first(tmp_path, fabric):
        raise AssertionError
    assert len(told) == 1
    fabric.broadcast = lambda message: message
    with locked_by_the_first(tmp_path, fabric):
        assert (tmp_path / ".lock").exists()
