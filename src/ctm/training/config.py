"""An experiment: a task, a model, and how the one learns the other."""

from dataclasses import dataclass
from typing import Literal

from torch import nn, optim

from ctm.config import Config
from ctm.errors import ConfigError
from ctm.machine import MachineConfig
from ctm.tasks.base import TaskConfig
from ctm.training.clipping import Clipping, NoClipping
from ctm.training.schedules import Cosine, Schedule

MOST_SAMPLES = 2**20
"""The largest batch: it is drawn as a whole, so that a larger one, a mistake, would take forever or all memory."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a model that are not frozen, by name, in their order."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


@dataclass(frozen=True)
class AdamW(Config):
    """The optimiser."""

    learning_rate: float = 1e-4
    """Peak learning rate."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay of the running mean and of the running square of the gradient."""
    epsilon: float = 1e-8
    """Added to the root of the running square."""

    def validate(self) -> None:
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        self.require(self.weight_decay >= 0, "weight_decay", "0 or more")
        self.require(all(0 <= beta < 1 for beta in self.betas), "betas", "0 <= beta < 1")
        self.require(self.epsilon > 0, "epsilon", "above 0")

    def build(self, model: nn.Module) -> optim.AdamW:
        """Makes the optimiser of a model's parameters that are not frozen, in the order of `named_parameters`."""
        rate, betas = self.learning_rate, self.betas
        return optim.AdamW(trainable(model).values(), rate, betas, self.epsilon, self.weight_decay)


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How to learn."""

    iterations: int
    """Optimiser steps."""
    batch_size: int = 64
    """Samples of an optimiser step, over all processes and micro-batches; at most 2^20."""
    accumulate: int = 1
    """Micro-batches of an optimiser step: more take less memory."""
    optimizer: AdamW = AdamW()
    """The optimiser."""
    schedule: Schedule = Cosine()
    """How the learning rate changes."""
    least_ticks: int | None = None
    """Think a random number of ticks in each iteration, from this many to the model's, so that it learns to be certain
    early; nothing for always the model's."""
    clipping: Clipping = NoClipping()
    """How gradients are bounded."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of the model; weights stay fp32. fp16, with loss scaling, needs a GPU."""
    recompute: bool = False
    """Compute again for the backward pass what a tick computes, instead of keeping it: less memory, more time."""
    compile: bool = False
    """Compile the tick with `torch.compile`: a slow start, and then perhaps less time; dropout drops other entries."""
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; "auto" takes a GPU if there is one."""
    devices: int = 1
    """Processes of a machine, one for each device; several train data-parallel."""
    nodes: int = 1
    """Machines."""
    workers: int = 0
    """Processes beside each that trains, which read its batches ahead; 0 to read them when they are needed."""
    synchronize_batch_norm: bool = False
    """Batch normalisation over the samples of all processes, instead of each process's own; needs GPUs."""
    seed: int = 0
    """Seed of the initial weights, the neuron pairs (unless they have a seed of their own), the batches and dropout."""
    log_every: int = 100
    """Iterations from one line of training metrics to the next."""
    evaluate_every: int = 1000
    """Iterations from one evaluation to the next; one comes before the first step and one after the last."""
    evaluation_batch: int = 256
    """Samples of a forward pass of evaluation; at most 2^20."""
    checkpoint_every: int = 1000
    """Iterations from one checkpoint to the next."""
    keep: int = 2
    """Latest checkpoints that stay; the best one stays always."""

    def validate(self) -> None:
        counts = ("batch_size", "accumulate", "devices", "nodes", "evaluation_batch", "keep")
        for name in ("iterations", *counts, "log_every", "evaluate_every", "checkpoint_every"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        for name in ("batch_size", "evaluation_batch"):
            self.require(getattr(self, name) <= MOST_SAMPLES, name, f"at most {MOST_SAMPLES}")
        self.require(self.workers >= 0, "workers", "0 or more")
        self.require(self.least_ticks is None or self.least_ticks >= 1, "least_ticks", "at least 1, or nothing")
        parts = self.accumulate * self.devices * self.nodes
        expected = f"a multiple of accumulate * devices * nodes = {parts}"
        self.require(self.batch_size % parts == 0, "batch_size", expected)


@dataclass(frozen=True)
class Experiment(Config):
    """Everything that defines a run."""

    task: TaskConfig
    """What to learn."""
    model: MachineConfig
    """What learns it."""
    training: TrainingConfig
    """How."""

    def validate(self) -> None:
        has, wanted = self.model.readout.shape, self.task.answer_shape
        if wanted is not None and has != wanted:
            raise ConfigError(
                f"model.readout = {self.model.readout.to_dict()}: the task {self.task.kind!r} as configured needs "
                f"classes: {wanted[-1]}, answer: {list(wanted[:-1])}"
            )
        least, most = self.training.least_ticks, self.model.ticks
        if least is not None and least > most:
            raise ConfigError(f"training.least_ticks = {least}: expected at most model.ticks = {most}")
        self.task.check(self.model, most if least is None else least)

    def fitted(self) -> "Experiment":
        """The same, with what its task learns from the data, and a model that suits them (`TaskConfig.fitted`).

        Raises:
            DataError: if the data, or published weights that the model starts from, are missing or broken.
        """
        task, model = self.task.fitted(self.model)
        model.backbone.check_weights()
        return self.replace(task=task, model=model)
