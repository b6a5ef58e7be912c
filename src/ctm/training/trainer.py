"""What learns: the model, its optimiser and its clipping. How a step is done is for the ways to learn."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from ctm.errors import RunError
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.randomness import seed_from
from ctm.tasks.base import Split
from ctm.training.checkpoint import Checkpoint
from ctm.training.config import Experiment, trainable
from ctm.training.devices import reduced
from ctm.transforms.compilation import compile_tick
from ctm.transforms.recomputation import recompute

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_SLOTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW remembers of a parameter


class Trainer(ABC):
    """A model that learns a task. Everything random in a step is a function of the seed and the iteration.

    Args:
        experiment: what to learn, what learns it, and how.
        task: the task, built.
        fabric: launched.

    Attributes:
        iteration: how many steps were done.
        model: the bare model, on its device.
    """

    scored_splits: ClassVar[tuple[Split, ...]] = ("train", "validation")
    """What an evaluation during training scores."""

    def __init__(self, experiment: Experiment, task: Any, fabric: "Fabric") -> None:
        self.config: Any = experiment.training
        self.task = task
        self.fabric = fabric
        self.iteration = 0
        torch.manual_seed(seed_from(self.config.seed, "weights"))
        self.model = self.make_model(experiment.model)
        if self.config.recompute:
            recompute(self.model)
        if self.config.compile:
            compile_tick(self.model)
        self._model, self._optimizer = fabric.setup(self.learning_module(), self.config.optimizer.build(self.model))
        self._clipper = self.config.clipping.build(list(trainable(self.model).values()))
        self._failed = torch.tensor(0, device=fabric.device)  # first step of infinite loss, counted from 1

    def make_model(self, config: MachineConfig) -> ContinuousThoughtMachine:
        """A model with fresh weights."""
        return config.build()

    def learning_module(self) -> nn.Module:
        """What a step calls: by default the model itself."""
        return self.model

    @abstractmethod
    def step(self, measure: bool) -> dict[str, float] | None:
        """One iteration.

        Args:
            measure: say how it went, which waits for the device.

        Returns:
            "loss" and other metrics, if they are measured.
        """

    @abstractmethod
    def scores(self, model: nn.Module, split: Split) -> dict[str, Any]:
        """The scores of a model on a split, the task's primary metric among them."""

    @property
    def learning_rate(self) -> float:
        """The learning rate of the coming step."""
        config = self.config
        return config.schedule.learning_rate(self.iteration, config.iterations, config.optimizer.learning_rate)

    def set_learning_rate(self) -> float:
        """Gives the optimiser the learning rate of the coming step."""
        learning_rate = self.learning_rate
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        return learning_rate

    def optimizer_step(self) -> Tensor:
        """A step of the optimiser with the gradients that there are; returns their norm (), before clipping."""
        self.fabric.strategy.precision.unscale_gradients(self._optimizer.optimizer)
        norm = self._clipper.clip()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return norm

    def watch_loss(self, loss: Tensor) -> None:
        """Remembers a loss that is not finite, without waiting for the device."""
        first = (self._failed == 0) & ~loss.detach().isfinite()
        self._failed = torch.where(first, self.iteration + 1, self._failed)

    def failed_step(self) -> int | None:
        """The first step whose loss was not finite; the last one, if only the weights are not finite."""
        weights = [tensor for tensor in self.model.state_dict().values() if tensor.is_floating_point()]
        finite = torch.stack([weight.isfinite().all() for weight in weights]).all()
        failed = torch.where(finite | (self._failed > 0), self._failed, self.iteration)
        return int(reduced(self.fabric, failed, "max")) or None

    def share_buffers(self) -> None:
        """Gives the first process's buffers to all, since each has its own running statistics."""
        if self.fabric.world_size > 1:
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def mean_metrics(self, measured: list[dict[str, Tensor]]) -> dict[str, float]:
        """Metrics, each (), averaged over the parts of a step and over all processes."""
        names = measured[0].keys()
        values = torch.stack([torch.stack([part[name] for part in measured]).mean() for name in names])
        return dict(zip(names, reduced(self.fabric, values, "mean").tolist(), strict=True))

    def state(self) -> dict[str, Any]:
        """Numbers to go on from."""
        return {"iteration": self.iteration, "scaler": self.fabric.strategy.precision.state_dict()}

    def tensors(self) -> dict[str, Tensor]:
        """Tensors to go on from, besides the weights; zeros for a parameter without gradients, unless frozen."""
        tensors = {f"clipping.{name}": tensor for name, tensor in self._clipper.tensors().items()}
        for name, parameter in trainable(self.model).items():
            blank = {slot: torch.zeros_like(parameter) for slot in _SLOTS} | {"step": torch.tensor(0.0)}
            for slot, value in (blank | self._optimizer.optimizer.state[parameter]).items():
                tensors[f"{slot}.{name}"] = value
        return tensors

    def restore(self, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
        """Goes back to a checkpoint, whose state is given too."""
        checkpoint.load_weights(self.model)
        tensors = checkpoint.tensors("training.safetensors", self.tensors())
        slots = {
            number: {slot: tensors[f"{slot}.{name}"] for slot in _SLOTS}
            for number, name in enumerate(trainable(self.model))
        }
        self._optimizer.load_state_dict({**self._optimizer.optimizer.state_dict(), "state": slots})
        self._clipper.restore({name: tensors[f"clipping.{name}"] for name in self._clipper.tensors()})
        try:
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        except (KeyError, RuntimeError):  # PyTorch's answer to a loss scaler's state that is not one
            raise RunError(f"{checkpoint.path / 'state.json'}: scaler does not fit training.precision") from None
        self.iteration = state["iteration"]
        self.restore_tensors(tensors)

    def restore_tensors(self, tensors: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Takes up what a way to learn has added to `tensors`, after everything else is restored."""
