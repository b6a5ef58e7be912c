"""An experiment: a task, a model, and how the one learns the other."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn, optim

from ctm.config import Config
from ctm.errors import ConfigError
from ctm.machine import MachineConfig
from ctm.tasks.base import BaseTaskConfig
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
class LearningConfig(Config):
    """Base of the ways to learn: what all of them have."""

    default_kind: ClassVar[str | None] = "supervised"

    iterations: int
    """Steps of training."""
    optimizer: AdamW = AdamW()
    """The optimiser."""
    schedule: Schedule = Cosine()
    """How the learning rate changes."""
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
    seed: int = 0
    """Seed of everything that is random: the initial weights, the neuron pairs (unless they have a seed of their own),
    and what comes in training."""
    log_every: int = 100
    """Iterations from one line of training metrics to the next."""
    evaluate_every: int = 1000
    """Iterations from one evaluation to the next; one comes before the first step and one after the last."""
    evaluation_batch: int = 256
    """Samples of a forward pass of evaluation, or environments side by side; at most 2^20."""
    checkpoint_every: int = 1000
    """Iterations from one checkpoint to the next."""
    keep: int = 2
    """Latest checkpoints that stay; the best one stays always."""

    @property
    @abstractmethod
    def samples(self) -> int:
        """Samples, or steps in environments, of an iteration, over all processes."""

    def validate(self) -> None:
        counts = ("devices", "nodes", "log_every", "evaluate_every", "evaluation_batch", "checkpoint_every", "keep")
        for name in ("iterations", *counts):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(self.evaluation_batch <= MOST_SAMPLES, "evaluation_batch", f"at most {MOST_SAMPLES}")

    @abstractmethod
    def check(self, task: BaseTaskConfig, model: MachineConfig) -> None:
        """Raises `ConfigError` if a task cannot be learned so, or not by this model."""

    def needs_gpus(self) -> str | None:
        """The field that asks for GPUs, its value and why; nothing if a CPU will do."""
        return "precision = 'fp16': needs a GPU; use 'bf16' or 'fp32'" if self.precision == "fp16" else None


@dataclass(frozen=True)
class TrainingConfig(LearningConfig, kind="supervised"):
    """How to learn from samples."""

    batch_size: int = 64
    """Samples of an optimiser step, over all processes and micro-batches; at most 2^20."""
    accumulate: int = 1
    """Micro-batches of an optimiser step: more take less memory."""
    least_ticks: int | None = None
    """Think a random number of ticks in each iteration, from this many to the model's, so that it learns to be certain
    early; nothing for always the model's."""
    ticks_grow_for: int | None = None
    """Iterations in which the number of ticks grows evenly from `least_ticks` to the model's instead: what takes many
    ticks is learned last, and the iterations before take less time; nothing for a random number."""
    workers: int = 0
    """Processes beside each that trains, which read its batches ahead; 0 to read them when they are needed."""
    synchronize_batch_norm: bool = False
    """Batch normalisation over the samples of all processes, instead of each process's own; needs GPUs."""

    @property
    def samples(self) -> int:
        return self.batch_size

    def needs_gpus(self) -> str | None:
        if self.synchronize_batch_norm and self.devices * self.nodes > 1:
            return "synchronize_batch_norm = True: several processes need GPUs for it, and train on the CPU"
        return super().needs_gpus()

    def validate(self) -> None:
        super().validate()
        for name in ("batch_size", "accumulate"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(self.batch_size <= MOST_SAMPLES, "batch_size", f"at most {MOST_SAMPLES}")
        self.require(self.workers >= 0, "workers", "0 or more")
        self.require(self.least_ticks is None or self.least_ticks >= 1, "least_ticks", "at least 1, or nothing")
        if self.ticks_grow_for is not None:
            self.require(self.ticks_grow_for >= 1, "ticks_grow_for", "at least 1, or nothing")
            self.require(self.least_ticks is not None, "ticks_grow_for", "nothing without least_ticks to grow from")
        parts = self.accumulate * self.devices * self.nodes
        expected = f"a multiple of accumulate * devices * nodes = {parts}"
        self.require(self.batch_size % parts == 0, "batch_size", expected)

    def check(self, task: BaseTaskConfig, model: MachineConfig) -> None:
        if task.acts:
            raise ConfigError(f"training.kind = {self.kind!r}: the task {task.kind!r} has no samples; expected 'ppo'")
        if self.least_ticks is not None and self.least_ticks > model.ticks:
            expected = f"at most model.ticks = {model.ticks}"
            raise ConfigError(f"training.least_ticks = {self.least_ticks}: expected {expected}")
        task.check(model, self.least_ticks or model.ticks)


@dataclass(frozen=True)
class Experiment(Config):
    """Everything that defines a run."""

    task: BaseTaskConfig
    """What to learn."""
    model: MachineConfig
    """What learns it."""
    training: LearningConfig
    """How."""

    def validate(self) -> None:
        has, wanted = self.model.readout.shape, self.task.answer_shape
        if wanted is not None and has != wanted:
            raise ConfigError(
                f"model.readout = {self.model.readout.to_dict()}: the task {self.task.kind!r} as configured needs "
                f"classes: {wanted[-1]}, answer: {list(wanted[:-1])}"
            )
        self.training.check(self.task, self.model)

    def thinking(self, ticks: int) -> "Experiment":
        """The same, with a model that thinks for so many internal ticks."""
        return self.replace(model=self.model.replace(ticks=ticks))

    def fitted(self) -> "Experiment":
        """The same, with what its task learns from the data, and a model that suits them (`BaseTaskConfig.fitted`).

        Raises:
            DataError: if the data, or published weights that the model starts from, are missing or broken.
        """
        task, model = self.task.fitted(self.model)
        model.backbone.check_weights()
        return self.replace(task=task, model=model)
