"""What learns: the model, its optimiser and its clipping, and one step of them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ctm.errors import RunError
from ctm.inputs import Inputs, slice_batch
from ctm.randomness import generator, seed_from
from ctm.tasks.base import Batch, Rows, Task
from ctm.tasks.checks import check_loss
from ctm.thoughts import Thoughts
from ctm.training.checkpoint import Checkpoint
from ctm.training.config import Experiment, trainable
from ctm.training.devices import reduced
from ctm.training.loading import training_batches
from ctm.transforms.compilation import compile_tick
from ctm.transforms.recomputation import recompute

if TYPE_CHECKING:
    from lightning.fabric import Fabric

_SLOTS = ("step", "exp_avg", "exp_avg_sq")  # what AdamW remembers of a parameter


class Trainer:
    """A model that learns a task. Everything random in a step is a function of the seed and the iteration.

    Args:
        experiment: what to learn, what learns it, and how.
        task: the task, built.
        fabric: launched.

    Attributes:
        iteration: how many steps were done.
        model: the bare model, on its device.
    """

    def __init__(self, experiment: Experiment, task: Task, fabric: "Fabric") -> None:
        self.config = config = experiment.training
        self.task = task
        self.fabric = fabric
        self.iteration = 0
        torch.manual_seed(seed_from(config.seed, "weights"))
        self.model = experiment.model.build()
        if config.synchronize_batch_norm:
            self.model = nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        if config.recompute:
            recompute(self.model)
        if config.compile:
            compile_tick(self.model)
        self._model, self._optimizer = fabric.setup(self.model, config.optimizer.build(self.model))
        self._model.train()
        self._clipper = config.clipping.build(list(trainable(self.model).values()))
        self._batches: Iterator[Batch] | None = None
        self._failed = torch.tensor(0, device=fabric.device)  # first step of infinite loss, counted from 1

    @property
    def learning_rate(self) -> float:
        """The learning rate of the coming step."""
        config = self.config
        return config.schedule.learning_rate(self.iteration, config.iterations, config.optimizer.learning_rate)

    def step(self, measure: bool) -> dict[str, float] | None:
        """One step of the optimiser, on the batch of this iteration.

        Args:
            measure: say how it went, which waits for the device.

        Raises:
            TaskError: if the task's batch or loss is not what it should be.
        """
        config, fabric = self.config, self.fabric
        learning_rate = self.learning_rate
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        batch = self._next_batch()
        measured = []
        for part in range(config.accumulate):
            inputs, targets = self._part(batch, part)
            torch.manual_seed(seed_from(config.seed, "dropout", self.iteration, fabric.global_rank, part))
            with fabric.no_backward_sync(self._model, enabled=part + 1 < config.accumulate):
                thoughts = self._model(inputs, ticks=self._ticks(inputs))
                loss = self.task.loss(thoughts, targets)
                check_loss(self.task, loss, learns=True)
                fabric.backward(loss / config.accumulate)
            self._watch(loss)
            if measure:
                measured.append(self._measure(loss, thoughts, targets))
        fabric.strategy.precision.unscale_gradients(self._optimizer.optimizer)
        norm = self._clipper.clip()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.iteration += 1
        if not measure:
            return None
        names = measured[0].keys()
        values = torch.stack([torch.stack([part[name] for part in measured]).mean() for name in names])
        metrics = dict(zip(names, reduced(fabric, values, "mean").tolist(), strict=True))
        return metrics | {"learning_rate": learning_rate, "gradient_norm": norm.item()}

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

    def _ticks(self, inputs: Inputs) -> int | None:
        """How many ticks to think in this iteration; nothing for as many as the model thinks by itself."""
        if self.config.least_ticks is None:
            return None
        source = generator(self.config.seed, "ticks", self.iteration)
        ticks = int(torch.randint(self.config.least_ticks, self.model.config.ticks + 1, (), generator=source))
        return self.model.observer.shown(inputs) + ticks

    def _next_batch(self) -> Batch:
        """The samples of this process in this iteration."""
        if self._batches is None:
            fabric = self.fabric
            pin = fabric.device.type == "cuda"
            place = fabric.global_rank, fabric.world_size
            self._batches = training_batches(self.task, self.config, self.iteration, *place, pin)
        return next(self._batches)

    def _part(self, batch: Batch, part: int) -> Batch:
        """A micro-batch of this process, on its device, augmented."""
        config, rank = self.config, self.fabric.global_rank
        size = len(batch.targets) // config.accumulate
        start = (rank * config.accumulate + part) * size
        rows = Rows(config.seed, self.iteration, config.batch_size, start, start + size)
        samples = self.fabric.to_device(slice_batch(batch, part * size, (part + 1) * size))
        return self.task.augmented(samples, rows)

    def _watch(self, loss: Tensor) -> None:
        """Remembers a loss that is not finite, without waiting for the device."""
        first = (self._failed == 0) & ~loss.detach().isfinite()
        self._failed = torch.where(first, self.iteration + 1, self._failed)

    @torch.no_grad()
    def _measure(self, loss: Tensor, thoughts: Thoughts, targets: Tensor) -> dict[str, Tensor]:
        """Loss, certainty at the most certain tick, accuracy where the task has it, and its primary metric, each ()."""
        scores = self.task.scores(thoughts, targets)
        names = [name for name in dict.fromkeys(("accuracy", self.task.primary_metric)) if name in scores]
        measured = {"loss": loss.detach(), "certainty": thoughts.due.certainty.amax(1).mean()}
        return measured | {name: scores[name].to(loss).mean() for name in names}
