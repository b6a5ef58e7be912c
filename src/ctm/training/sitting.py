"""One sitting of a run, from a start or a resume to a stop: logging, evaluating, saving."""

from typing import Any

from ctm.tasks.base import Task
from ctm.training.checkpoint import RunError, prune, save_checkpoint
from ctm.training.evaluation import evaluate
from ctm.training.journal import Journal
from ctm.training.learner import Learner
from ctm.training.progress import Progress
from ctm.training.run import Run


class Diverged(RunError):
    """The loss or the weights are not finite any more; nothing of that was saved."""


class Sitting:
    """Takes a learner to where its run stopped, and writes down where it goes from there.

    Args:
        run: the run.
        task: its task, built.
        learner: fresh.
        quiet: show no progress.

    Attributes:
        fresh: whether the run has no checkpoint yet.
        best: "score" and "iteration" of the best evaluation on the test split; empty before the first.
    """

    def __init__(self, run: Run, task: Task, learner: Learner, quiet: bool) -> None:
        self._run, self._task, self._learner = run, task, learner
        self._plan, self._fabric = run.experiment.training, learner.fabric
        found = run.checkpoints()
        self.fresh = not found
        state: dict[str, Any] = {"iteration": -1, "seconds": 0.0, "best": {}}
        if found:
            state = found[-1].state()
            run.complete_metrics()
            learner.restore(found[-1], state)
        self.best: dict[str, Any] = state["best"]
        writes = self._fabric.is_global_zero
        self._journal = Journal(run.path, state["iteration"], state["seconds"], writes)
        self._progress = Progress(learner.iteration, self._plan.iterations, quiet or not writes)

    def __enter__(self) -> "Sitting":
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.close()
        self._journal.close()

    def due(self, every: int, ahead: int = 0) -> bool:
        """Whether something done so often, and at the end, is to be done now, or some iterations ahead."""
        iteration = self._learner.iteration + ahead
        return iteration % every == 0 or iteration == self._plan.iterations

    def note(self, metrics: dict[str, float] | None) -> None:
        """Notes that a step was done, and its metrics if they were measured.

        Raises:
            Diverged: if they were measured and are not finite.
        """
        self._progress.advance()
        if metrics is not None:
            self._check()
            line = {"iteration": self._learner.iteration} | metrics
            self._progress.show(self._journal.trained(line, self._plan.batch_size))

    def evaluate(self) -> bool:
        """Evaluates on both splits; tells whether no test score was better before."""
        self._check()
        learner, plan, headline = self._learner, self._plan, self._task.headline
        learner.share_buffers()
        scores = {}
        for split in ("train", "test"):
            scores = evaluate(learner.model, self._task, split, plan.evaluation_batch, self._fabric)
            line = {"iteration": learner.iteration, "split": split} | scores
            self._progress.show(self._journal.evaluated(line))
        improved = not self.best or scores[headline] >= self.best["score"]
        if improved:
            self.best = {"iteration": learner.iteration, "score": scores[headline]}
        return improved

    def save(self) -> None:
        """Writes a checkpoint, and removes those that are no longer to be kept.

        Raises:
            Diverged: if the weights are not finite; then it writes nothing.
        """
        self._check()
        if not self._fabric.is_global_zero:
            return
        self._journal.sync()
        learner, folder = self._learner, self._run.path / "checkpoints"
        state = learner.state() | {"seconds": self._journal.seconds, "best": self.best, "lines": self._journal.lines}
        save_checkpoint(folder, learner.model.state_dict(), learner.tensors(), state)
        prune(folder, self._plan.keep, self.best["iteration"])

    def _check(self) -> None:
        failed = self._learner.failed_step()
        if failed is not None:
            saved = self._run.checkpoints()
            where = f"the last good checkpoint is {saved[-1].path}" if saved else "nothing was saved"
            raise Diverged(
                f"the loss is not finite at step {failed}; {where}; "
                "try a lower training.optimizer.learning_rate, training.clipping, or training.precision fp32"
            )
