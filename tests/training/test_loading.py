import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from ctm import DataError
from ctm.tasks.base import Batch, Rows, Task
from ctm.training import Run, TaskError, evaluate
from ctm.training.loading import evaluation_batches, training_batches
from training.experiments import parity
from training.processes import everything, finish, start, wait_for


class Numbered(Task):
    """Sample i of the batch of an iteration is 100 iteration + i; it reads only the rows it is asked for."""

    def __init__(self, samples=10):
        self.samples, self.read_here = samples, []

    def batch(self, seed, iteration, size):
        raise AssertionError("read as a whole")

    def part(self, rows):
        self.read_here.append(rows.iteration)
        numbers = 100 * rows.iteration + torch.arange(rows.start, rows.stop)
        return Batch(numbers.float().unsqueeze(1), numbers)

    def evaluation(self, split, size):
        return [Batch(part.float().unsqueeze(1), part) for part in torch.arange(self.samples).split(size)]


class Failing(Numbered):
    def part(self, rows):
        if rows.iteration == 2:
            raise DataError("picture 7: broken")
        return super().part(rows)


def config(workers, **training):
    return parity(**{"iterations": 6, "batch_size": 8, "workers": workers, **training}).training


def test_rows_of_a_drawn_batch_are_those_of_the_whole():
    task = parity().task.build()
    whole = task.batch(3, 5, 8)
    part = task.part(Rows(seed=3, iteration=5, size=8, start=2, stop=6))
    assert torch.equal(part.inputs, whole.inputs[2:6])
    assert torch.equal(part.targets, whole.targets[2:6])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_process_reads_its_own_rows_from_any_iteration_on(workers):
    for rank in range(2):
        batches = list(training_batches(Numbered(), config(workers), start=3, rank=rank, processes=2))
        expected = [(100 * iteration + 4 * rank + torch.arange(4)).tolist() for iteration in range(3, 6)]
        assert [batch.targets.tolist() for batch in batches] == expected


def test_workers_read_elsewhere_and_ahead():
    here, elsewhere = Numbered(), Numbered()
    list(training_batches(here, config(0), start=0))
    list(training_batches(elsewhere, config(2), start=0))
    assert here.read_here == list(range(6))
    assert elsewhere.read_here == []


def test_data_are_found_before_workers_are_started():
    class Late(Numbered):
        offset = None

        def open_data(self):
            self.offset = 7

        def part(self, rows):
            inputs, targets = super().part(rows)
            return Batch(inputs, targets + self.offset)

    task = Late()
    batch = next(training_batches(task, config(1), start=0))
    assert (task.offset, batch.targets[0]) == (7, 7)


@pytest.mark.parametrize("workers", [0, 1])
def test_reading_ahead_draws_no_random_number_of_the_caller(workers):
    before = torch.get_rng_state()
    next(training_batches(Numbered(), config(workers), start=0))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_is_that_of_the_task_in_one_line(workers):
    batches = training_batches(Failing(), config(workers), start=0)
    assert len([next(batches), next(batches)]) == 2
    with pytest.raises(DataError, match=r"^picture 7: broken$"):
        next(batches)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_part_of_the_wrong_size_is_refused(workers, monkeypatch):
    monkeypatch.setattr(Numbered, "part", lambda self, rows: Batch(torch.zeros(5, 1), torch.zeros(5)))
    with pytest.raises(TaskError, match=r"Numbered\.part returned 5 samples; expected the 8"):
        next(training_batches(Numbered(), config(workers), start=0))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_each_evaluation_batch_belongs_to_one_process_and_the_first_is_for_all(processes, workers):
    own = []
    for rank in range(processes):
        found = list(evaluation_batches(Numbered(), "test", 4, workers, rank, processes))
        assert found[0][0].targets.tolist() == [0, 1, 2, 3]
        own += [batch.targets.tolist() for batch, mine in found if mine]
    assert sorted(own) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_only_its_own_evaluation_batches_are_read():
    class Counted(list):
        read = 0

        def __getitem__(self, number):
            Counted.read += 1
            return super().__getitem__(number)

    task = Numbered(40)
    batches = Counted(task.evaluation("test", 4))
    task.evaluation = lambda split, size: batches
    list(evaluation_batches(task, "test", 4, rank=1, processes=5))
    assert Counted.read == 3  # the first one, 1 and 6


def test_no_samples_are_refused_however_they_are_given():
    experiment = parity()
    model, task = experiment.model.build(), experiment.task.build()
    for nothing in ([], iter([])):
        task.evaluation = lambda split, size, nothing=nothing: nothing
        with pytest.raises(TaskError, match=r"evaluation\('test'\) has no samples"):
            evaluate(model, task, "test")


def test_a_run_with_workers_is_the_run_without_and_goes_on_exactly(tmp_path):
    alone = Run.create(tmp_path / "alone", parity(dropout=0.1))
    helped = Run.create(tmp_path / "helped", parity(dropout=0.1, workers=2))
    process = start(helped.path)
    wait_for(helped.path, 4)
    process.kill()
    process.join()
    assert everything(finish(helped.path)) == everything(finish(alone.path))


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the workers in /proc")
def test_a_signal_to_all_processes_stops_after_an_iteration(tmp_path):
    """As Ctrl-C, or a cluster, sends it: to the workers, too."""
    run = Run.create(tmp_path / "run", parity(iterations=100_000, workers=2, log_every=1))
    process = start(run.path)
    try:
        wait_for(run.path, 2)
        workers = descendants(process.pid)
        assert len(workers) >= 2
        for worker in workers:
            os.kill(worker, signal.SIGINT)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        process.join(60)
        assert process.exitcode == 128 + signal.SIGINT
    finally:
        process.kill()
    assert run.latest().iteration == run.metrics()[-1]["iteration"]
    deadline = time.monotonic() + 20
    while any(parent(worker) is not None for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(parent(worker) is not None for worker in workers)


def descendants(process):
    """The processes that one started, and those that these did."""
    parents = {number: parent(number) for number in map(int, filter(str.isdigit, os.listdir("/proc")))}
    found = {process}
    for _ in parents:
        found |= {number for number, parent in parents.items() if parent in found}
    return found - {process}


def parent(process):
    """The number of the process that started one that is alive."""
    try:
        state, number = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(number)
