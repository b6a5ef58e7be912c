"""The files that the authors' scripts write, made of fixtures and of random weights of the published shapes."""

import argparse
import functools
import json
import random
import zipfile
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file

FIXTURES = Path(__file__).parents[1] / "fixtures"
KINDS = {
    "parity_semidense": "ctm",
    "maze_dense_unet": "ctm",
    "image_random_pairing": "ctm",
    "sort": "sort",
    "qamnist": "qamnist",
    "rl_classic": "rl",
    "lstm_parity": "lstm",
}
TRAINING = {
    "parity_semidense": {"parity_sequence_length": 16},
    "maze_dense_unet": {"maze_route_length": 7, "dataset": "mazes-medium", "cirriculum_lookahead": 5},
    "image_random_pairing": {"dataset": "cifar10"},
    "lstm_parity": {"parity_sequence_length": 16},
}
"""What the arguments of the training scripts tell of the task."""


@functools.cache
def weights(case):
    return load_file(FIXTURES / case / "model.safetensors")


@functools.cache
def arguments(case):
    return json.loads((FIXTURES / case / "config.json").read_text())["config"]


@functools.cache
def numbers(case):
    return load_file(FIXTURES / case / "io.safetensors")


def training_arguments(case):
    """As a training script stores them: under other names, without the shape of the answer, and with many others."""
    config = {name: value for name, value in arguments(case).items() if name != "prediction_reshaper"}
    if "deep_nlms" in config:
        config["deep_memory"] = config.pop("deep_nlms")
        config["do_normalisation"] = config.pop("do_layernorm_nlm")
    return config | {"lr": 1e-4, "batch_size": 64, "device": [-1], "log_dir": "logs/scratch"} | TRAINING.get(case, {})


def checkpoint(case, key="model_state_dict", config=None):
    """The content of a training checkpoint."""
    return {
        key: dict(weights(case)),
        "optimizer_state_dict": {
            "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(4)}},
            "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "params": [0], "fused": None}],
        },
        "scheduler_state_dict": {"last_epoch": 3, "_last_lr": [1e-4], "lr_lambdas": [None]},
        "scaler_state_dict": {"scale": 65536.0, "growth_interval": 2000, "_growth_tracker": 0},
        "iteration": 1000,
        "train_losses": [numpy.float64(2.3), numpy.float32(2.2), 2.1],
        "test_losses": [],
        "train_accuracies": [numpy.zeros(6), numpy.arange(3), numpy.array([True]), numpy.empty(0)],
        "test_accuracies_most_certain": [numpy.float64(0.5)],
        "iters": [0, 1000],
        "args": argparse.Namespace(**(training_arguments(case) if config is None else config)),
        "torch_rng_state": torch.get_rng_state(),
        "numpy_rng_state": numpy.random.RandomState(0).get_state(),
        "random_rng_state": random.Random(0).getstate(),
    }


def with_entries(path, change):
    """Writes an archive anew; `change` takes an entry's name and content and gives its new content, or none."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            if (content := change(name, content)) is not None:
                archive.writestr(name, content)


def as_numpy_1(path):
    """The file as it would have been written beside NumPy 1."""

    def change(name, content):
        return content.replace(b"numpy._core.", b"numpy.core.") if name.endswith("data.pkl") else content

    with_entries(path, change)


def pickled(path, data):
    """A file with a pickle of one's own and no tensors."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3\n")


SHAPES = Path(__file__).with_name("shapes.txt")
"""Names, shapes and types of the tensors of some of the authors' models, a block of theirs after the first left out."""


@functools.cache
def published(title):
    """Random weights of one of these models."""
    generator, found = torch.Generator().manual_seed(0), {}
    for line in SHAPES.read_text().split(f"== {title}\n")[1].split("==")[0].splitlines():
        name, sizes, kind = line.split()
        shape = [int(size) for size in sizes.split(",")]
        random = torch.rand(shape, generator=generator) - 0.5
        found[name] = random if kind == "float32" else torch.zeros(shape, dtype=getattr(torch, kind))
    first = {name: tensor for name, tensor in found.items() if name.startswith("backbone.layer1.0.")}
    found |= {name.replace("layer1.0", "layer1.1"): tensor for name, tensor in first.items()}
    norms = [name for name in found if name.endswith("running_mean")]
    return found | {name.replace("running_mean", "num_batches_tracked"): torch.tensor(7) for name in norms}
