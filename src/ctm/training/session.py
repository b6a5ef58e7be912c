"""One session of a run, from a start or a resume to a stop: logging, evaluating, saving."""

from typing import Any

from ctm.errors import RunError
from ctm.training.checkpoint import prune, save_checkpoint
from ctm.training.metric_log import MetricLog
from ctm.training.progress import Progress
from ctm.training.run import Run
from ctm.training.trainer import Trainer


class Diverged(RunError):
    """The loss or the weights are not finite any more; nothing of that was saved."""


class Session:
    """Takes a trainer to where its run stopped, and writes down where it goes from there.

    Args:
        run: the run.
        trainer: fresh.
        quiet: show no progress.

    Attributes:
        fresh: whether the run has no checkpoint yet.
        best: "score" and "iteration" of the best evaluation on the validation split; empty before the first.
    """

    def __init__(self, run: Run, trainer: Trainer, quiet: bool) -> None:
        self._run, self._trainer = run, trainer
        self._config, self._fabric = run.experiment.training, trainer.fabric
        found = run.checkpoints()
        self.fresh = not found
        state: dict[str, Any] = {"iteration": -1, "seconds": 0.0, "best": {}}
        if found:
            state = found[-1].state()
            run.complete_metrics()
            trainer.restore(found[-1], state)
        elif (weights := run.initial_weights()) is not None:
            trainer.model.load_state_dict(weights)
        self.best: dict[str, Any] = state["best"]
        writes = self._fabric.is_global_zero
        self._log = MetricLog(run.path, state["iteration"], state["seconds"], writes)
        self._progress = Progress(trainer.iteration, self._config.iterations, quiet or not writes)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.close()
        self._log.close()

    def is_due(self, every: int, ahead: int = 0) -> bool:
        """Whether something done so often, and at the end, is to be done now, or some iterations ahead."""
        iteration = self._trainer.iteration + ahead
        return iteration % every == 0 or iteration == self._config.iterations

    def note(self, metrics: dict[str, float] | None) -> None:
        """Notes that a step was done, and its metrics if they were measured.

        Raises:
            Diverged: if they were measured and are not finite.
        """
        self._progress.advance()
        if metrics is not None:
            self._check()
            line = {"iteration": self._trainer.iteration} | metrics
            self._progress.show(self._log.trained(line, self._config.samples))

    def evaluate(self) -> bool:
        """Scores the model, on the validation split at last; tells whether no score was better before."""
        self._check()
        trainer, primary_metric = self._trainer, self._trainer.task.primary_metric
        trainer.share_buffers()
        scores: dict[str, Any] = {}
        for split in trainer.scored_splits:
            scores = trainer.scores(trainer.model, split)
            self._write({"split": split} | scores)
        improved = not self.best or scores[primary_metric] >= self.best["score"]
        if improved:
            self.best = {"iteration": trainer.iteration, "score": scores[primary_metric]}
        return improved

    def test(self) -> None:
        """Evaluates the last and the best weights on the test split, which nothing else looks at."""
        trainer = self._trainer
        last = best = trainer.scores(trainer.model, "test")
        if self.best["iteration"] != trainer.iteration:
            best = trainer.scores(self._run.load_model("best", self._fabric.device), "test")
        for checkpoint, scores in (("last", last), ("best", best)):
            self._write({"split": "test", "checkpoint": checkpoint} | scores)

    def _write(self, scores: dict[str, Any]) -> None:
        self._progress.show(self._log.evaluated({"iteration": self._trainer.iteration} | scores))

    def save(self) -> None:
        """Writes a checkpoint, and removes those that are no longer to be kept.

        Raises:
            Diverged: if the weights are not finite; then it writes nothing.
        """
        self._check()
        trainer, folder = self._trainer, self._run.path / "checkpoints"
        tensors = trainer.tensors()  # of all processes
        if not self._fabric.is_global_zero:
            return
        self._log.sync()
        state = trainer.state() | {"seconds": self._log.seconds, "best": self.best, "lines": self._log.lines}
        save_checkpoint(folder, trainer.model.state_dict(), tensors, state)
        prune(folder, self._config.keep, self.best["iteration"])

    def _check(self) -> None:
        failed = self._trainer.failed_step()
        if failed is not None:
            saved = self._run.checkpoints()
            where = f"the last good checkpoint is {saved[-1].path}" if saved else "nothing was saved"
            raise Diverged(
                f"the loss is not finite at step {failed}; {where}; "
                "try a lower training.optimizer.learning_rate, training.clipping, or training.precision fp32"
            )
