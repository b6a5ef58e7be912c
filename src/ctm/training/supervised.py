"""Learning from samples: a step of the optimiser on each batch."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ctm.inputs import Inputs, slice_batch
from ctm.machine import ContinuousThoughtMachine, MachineConfig
from ctm.randomness import generator, seed_from
from ctm.tasks.base import Batch, Rows, Split, Task
from ctm.tasks.checks import check_loss
from ctm.thoughts import Thoughts
from ctm.training.config import Experiment
from ctm.training.evaluation import evaluate
from ctm.training.loading import training_batches
from ctm.training.trainer import Trainer

if TYPE_CHECKING:
    from lightning.fabric import Fabric


class SupervisedTrainer(Trainer):
    """Learns from the batches of a task."""

    def __init__(self, experiment: Experiment, task: Task, fabric: "Fabric") -> None:
        super().__init__(experiment, task, fabric)
        self._model.train()
        self._batches: Iterator[Batch] | None = None

    def make_model(self, config: MachineConfig) -> ContinuousThoughtMachine:
        model = super().make_model(config)
        return nn.SyncBatchNorm.convert_sync_batchnorm(model) if self.config.synchronize_batch_norm else model

    def scores(self, model: nn.Module, split: Split) -> dict[str, Any]:
        config = self.config
        return evaluate(model, self.task, split, config.evaluation_batch, self.fabric, config.workers)

    def step(self, measure: bool) -> dict[str, float] | None:
        """One step of the optimiser, on the batch of this iteration.

        Raises:
            TaskError: if the task's batch or loss is not what it should be.
        """
        config, fabric = self.config, self.fabric
        learning_rate = self.set_learning_rate()
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
            self.watch_loss(loss)
            if measure:
                measured.append(self._measure(loss, thoughts, targets))
        norm = self.optimizer_step()
        self.iteration += 1
        if not measure:
            return None
        return self.mean_metrics(measured) | {"learning_rate": learning_rate, "gradient_norm": norm.item()}

    def _ticks(self, inputs: Inputs) -> int | None:
        """How many ticks to think in this iteration; nothing for as many as the model thinks by itself."""
        least, most, growing = self.config.least_ticks, self.model.config.ticks, self.config.ticks_grow_for
        if least is None:
            return None
        if growing is None:
            source = generator(self.config.seed, "ticks", self.iteration)
            ticks = int(torch.randint(least, most + 1, (), generator=source))
        else:
            ticks = least + (most - least) * min(self.iteration, growing) // growing
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

    @torch.no_grad()
    def _measure(self, loss: Tensor, thoughts: Thoughts, targets: Tensor) -> dict[str, Tensor]:
        """Loss, certainty at the most certain tick, accuracy where the task has it, and its primary metric, each ()."""
        scores = self.task.scores(thoughts, targets)
        names = [name for name in dict.fromkeys(("accuracy", self.task.primary_metric)) if name in scores]
        measured = {"loss": loss.detach(), "certainty": thoughts.due.certainty.amax(1).mean()}
        return measured | {name: scores[name].to(loss).mean() for name in names}
