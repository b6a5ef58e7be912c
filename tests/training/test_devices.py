"""Several processes learn the same as one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from ctm.errors import ConfigError
from ctm.training import Run, RunError, devices, train
from ctm.training.devices import autocast, find_device, for_the_cpu
from training.experiments import parity
from training.processes import everything, finish, free_port, wait_for

CPU = torch.device("cpu")

ITERATIONS = 60


@pytest.fixture
def launch() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts the test program in a folder, on so many devices and nodes."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    started = []

    def launch(folder: Path, devices: int, nodes: int, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
        program = ("-m", "training.program", folder, *map(str, (devices, nodes, ITERATIONS)))
        started.append(subprocess.Popen([sys.executable, *launcher, *program], env=environment))
        return started[-1]

    yield launch
    for process in started:
        process.kill()
        process.wait()


def torchrun(node: int, port: int) -> tuple[str, ...]:
    options = ("--nnodes=2", "--nproc-per-node=1", f"--node-rank={node}")
    return ("-m", "torch.distributed.run", *options, "--master-addr=127.0.0.1", f"--master-port={port}")


@pytest.mark.timeout(900)
def test_two_processes_learn_what_one_does_however_started_and_stopped(tmp_path, launch):
    alone = Run.create(tmp_path / "alone", parity(iterations=ITERATIONS))
    train(alone, quiet=True)

    whole, port = tmp_path / "whole", free_port()
    nodes = [launch(whole, 1, 2, torchrun(node, port)) for node in (0, 1)]
    assert [node.wait(240) for node in nodes] == [0, 0]
    assert_same_curve(Run.open(whole), alone)

    stopped = tmp_path / "stopped"
    process = launch(stopped, 2, 1)
    wait_for(stopped, 4)
    process.send_signal(signal.SIGTERM)
    assert process.wait(240) == 128 + signal.SIGTERM
    assert 4 <= Run.open(stopped).latest().iteration < ITERATIONS
    assert everything(finish(stopped)) == everything(whole)


def test_passes_of_a_single_tick_learn_on_two_processes(tmp_path):
    """DistributedDataParallel refuses a step in which a parameter took no part."""
    experiment = parity(devices=2, iterations=3)
    run = Run.create(tmp_path / "run", experiment.replace(model=experiment.model.replace(ticks=1)))
    assert Run.open(finish(run.path)).latest().iteration == 3


def assert_same_curve(run: Run, other: Run):
    for line, expected in zip(run.metrics(), other.metrics(), strict=True):
        assert line.keys() == expected.keys()
        exact = line["iteration"] <= 12  # later on, rounding grows
        assert line["loss"] == pytest.approx(expected["loss"], abs=1e-5 if exact else 1e-3)
        assert line["accuracy"] == pytest.approx(expected["accuracy"], abs=1e-5 if exact else 0.1)


def test_torchrun_and_the_configuration_must_agree(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(RunError, match="nodes = 1: torchrun started 3"):
        train(Run.create(tmp_path / "run", parity()), quiet=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "fp16"}, "needs a GPU"),
        ({"accelerator": "cuda", "devices": 2}, "there are 0 GPUs"),
        ({"synchronize_batch_norm": True, "devices": 2}, r"training\.synchronize_batch_norm = True: several processes"),
    ],
    ids=["fp16", "cuda", "synchronized batch normalisation"],
)
def test_devices_that_are_missing_are_named(tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RunError, match=message):
        train(Run.create(tmp_path / "run", parity(**changes)), quiet=True)


def test_without_lightning_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.fabric", None)
    with pytest.raises(RunError, match="pip install"):
        train(Run.create(tmp_path / "run", parity()), quiet=True)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("name", "device"), [("auto", "cuda:0"), ("cuda", "cuda"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]
)
def test_devices_are_found_by_name(two_gpus, name, device):
    assert find_device(name) == torch.device(device)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda:2", "device = 'cuda:2': not on this machine, which has cuda:0, cuda:1, cpu"),
        ("mps", "device = 'mps': not on this machine"),
        ("gpu", "device = 'gpu': expected auto, cpu, cuda, cuda:NUMBER or mps"),
        ("cuda:", "device = 'cuda:': expected auto"),
    ],
)
def test_other_devices_are_refused(two_gpus, name, message):
    with pytest.raises(ConfigError, match=message):
        find_device(name)


def test_without_a_gpu_auto_is_the_cpu(two_gpus, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("auto") == torch.device("cpu")


def test_results_for_pictures_are_float32_on_the_cpu():
    model = for_the_cpu(parity().model.build().eval())
    signs = torch.ones(2, 5)
    with torch.inference_mode(), autocast(torch.device("cpu"), "bf16"):
        thoughts = model(signs, record=True)
        half = parity().model.build().eval()(signs, record=True)
    tensors = [thoughts.logits, thoughts.certainty, *(x for x in thoughts.recorded if isinstance(x, torch.Tensor))]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert torch.bfloat16 in {x.dtype for x in half.recorded if isinstance(x, torch.Tensor)}
    assert thoughts.recorded.grid == half.recorded.grid


@pytest.mark.parametrize(
    "start", [lambda: autocast(CPU, "bf16"), lambda: devices.launch(parity(precision="bf16").training)]
)
def test_slow_arithmetic_is_said_before_a_run_starts(monkeypatch, recwarn, start):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    start()
    assert not slow(recwarn)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    start()
    assert len(slow(recwarn)) == 1


def test_float32_is_never_slow_arithmetic(monkeypatch, recwarn):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    devices.launch(parity().training)
    autocast(CPU, "fp32")
    assert not slow(recwarn)


def slow(warnings):
    """Those of slow arithmetic among some warnings."""
    return [one for one in warnings if "AVX2 at most" in str(one.message)]
