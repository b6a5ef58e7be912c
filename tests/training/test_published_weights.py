"""A run begins with published weights, keeps them if they are frozen, and goes on without them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import ctm
from ctm import DataError, PretrainedResNet
from ctm.backbones.resnet import published_name
from ctm.training import AdamW, Run, train
from training.experiments import parity

SETTINGS = {"batch_size": 8, "iterations": 6, "optimizer": AdamW(learning_rate=1e-2, weight_decay=0.1).to_dict()}
SETTINGS |= {"log_every": 2, "evaluate_every": 3, "checkpoint_every": 3, "accelerator": "cpu"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Published weights, their tensors by our names, and the experiment of a run that began with them."""
    folder = tmp_path_factory.mktemp("published")
    with ctm.backbones.without_published_weights():
        backbone = PretrainedResNet.Config("", 18, 1).build()
    ours = backbone.state_dict()
    path = folder / "resnet18.safetensors"
    save_file({published_name(name): tensor for name, tensor in ours.items()}, path)
    source = np.random.default_rng(0)
    x, y = source.normal(size=(40, 16, 16, 3)).astype(np.float32), source.integers(0, 2, 40)
    machine = parity().model.replace(
        backbone=PretrainedResNet.Config(str(path), 18, 1), observer=ctm.CrossAttention.Config(8, 2)
    )
    fitted = ctm.fit(machine, (x, y), (x, y), (x, y), run=folder / "run", quiet=True, **SETTINGS)
    return path, ours, fitted.run


@pytest.fixture
def weights(files, tmp_path):
    """A copy of the file, to be taken away."""
    return Path(shutil.copy(files[0], tmp_path))


def experiment(files, weights, frozen=True, **training):
    found = files[2].experiment
    backbone = PretrainedResNet.Config(str(weights), 18, 1, frozen)
    return found.replace(
        model=found.model.replace(backbone=backbone), training=found.training.replace(**training)
    ).fitted()


def saved(run, name="model"):
    return load_file(run.latest().path / f"{name}.safetensors")


def test_frozen_weights_are_those_of_the_file_to_the_end(files):
    """Without gradients there is no weight decay either, and the optimiser remembers nothing of them."""
    _, ours, run = files
    assert run.latest().iteration == 6
    end = saved(run)
    assert all(torch.equal(end[f"backbone.{name}"], tensor) for name, tensor in ours.items())
    remembered = saved(run, "training")
    assert any(name.startswith("exp_avg.") for name in remembered)
    assert not any("backbone" in name for name in remembered)


def test_weights_that_are_not_frozen_begin_as_in_the_file_and_learn(files, weights, tmp_path):
    run = Run.create(tmp_path / "run", experiment(files, weights, frozen=False, keep=3))
    train(run, quiet=True)
    first, *_, last = (load_file(checkpoint.path / "model.safetensors") for checkpoint in run.checkpoints())
    for name, tensor in files[1].items():
        assert torch.equal(first[f"backbone.{name}"], tensor)
    assert not torch.equal(last["backbone.stem.0.weight"], files[1]["stem.0.weight"])
    assert not torch.equal(last["backbone.stem.1.running_mean"], files[1]["stem.1.running_mean"])


@pytest.mark.parametrize("frozen", [True, False])
def test_a_run_goes_on_exactly_when_the_file_is_gone(files, weights, tmp_path, frozen):
    whole = Run.create(tmp_path / "whole", experiment(files, weights, frozen))
    train(whole, quiet=True)
    run = Run.create(tmp_path / "run", experiment(files, weights, frozen))
    train(run, quiet=True)
    shutil.rmtree(run.latest().path)  # back to the middle
    weights.unlink()
    again = Run.open(tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text()
    train(again, quiet=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == lines
    for name in ("model", "training"):
        tensors, expected = saved(again, name), saved(whole, name)
        assert tensors.keys() == expected.keys()
        assert all(torch.equal(tensors[key], expected[key]) for key in expected)
    assert torch.equal(again.load_model("last").backbone.stem[0].weight, saved(whole)["backbone.stem.0.weight"])


def test_a_file_that_is_gone_is_missed_before_anything_is_written(files, weights, tmp_path):
    weights.unlink()
    with pytest.raises(DataError, match=r"resnet18\.safetensors: no such file"):
        experiment(files, weights)
    x, y = np.zeros((20, 16, 16, 3), np.float32), np.arange(20) % 2
    machine = files[2].experiment.model.replace(backbone=PretrainedResNet.Config(str(weights), 18, 1))
    with pytest.raises(DataError, match=r"resnet18\.safetensors: no such file"):
        ctm.fit(machine, (x, y), run=tmp_path / "fitted", quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_learn_on_frozen_weights_what_one_does(files, tmp_path):
    path = files[2].path / "config.yaml"
    options = ("--run", tmp_path / "run", "--training.devices", "2", "--quiet")
    command = [sys.executable, "-m", "ctm.cli", "train", path, *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    subprocess.run(list(map(str, command)), env=environment, timeout=200, check=True)
    run = Run.open(tmp_path / "run")
    for line, expected in zip(run.metrics(), files[2].metrics(), strict=True):
        assert line["loss"] == pytest.approx(expected["loss"], abs=1e-5)
    end = saved(run)
    assert all(torch.equal(end[f"backbone.{name}"], tensor) for name, tensor in files[1].items())
