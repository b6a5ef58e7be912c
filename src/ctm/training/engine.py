"""One engine for every way to learn, on a laptop or on several GPUs."""

from dataclasses import dataclass

from ctm.backbones import without_published_weights
from ctm.training.config import LearningConfig, TrainingConfig
from ctm.training.devices import launch, random_state_untouched
from ctm.training.interruption import Interruption
from ctm.training.lock import locked_by_the_first
from ctm.training.ppo import PPO, PPOTrainer
from ctm.training.run import Run
from ctm.training.session import Session
from ctm.training.supervised import SupervisedTrainer
from ctm.training.trainer import Trainer

TRAINERS: dict[type[LearningConfig], type[Trainer]] = {TrainingConfig: SupervisedTrainer, PPO: PPOTrainer}
"""What trains so."""


@dataclass(frozen=True)
class Outcome:
    """How `train` ended."""

    iteration: int
    """Steps done, over all sessions."""
    signal: int | None
    """The number of the signal that interrupted the run; nothing if it is finished."""
    best: float
    """The best score of the primary metric on the validation split."""

    @property
    def interrupted(self) -> bool:
        """Whether there is more to do: `train(Run.open(path))` goes on exactly where it stopped."""
        return self.signal is not None


def train(run: Run, *, quiet: bool = False) -> Outcome:
    """Trains a run from its beginning, or goes on from its last checkpoint as if it had never stopped.

    SIGINT, SIGTERM and SIGUSR2 end it after the iteration, with a checkpoint; with several processes, after the
    next one that is logged. A second SIGINT stops at once.

    Args:
        run: the run; its folder gets the metrics and the checkpoints.
        quiet: show no progress.

    Raises:
        DataError: if the task's data are missing.
        Diverged: if the loss or the weights are not finite any more.
        RunError: if the run cannot go on from its checkpoint, another process is training it, or the devices that it
            asks for are not there.
        TaskError: if the task returns what cannot be used; before the first step, or in it.
    """
    config = run.experiment.training
    task = run.experiment.task.build()
    fabric = launch(config)
    lock = locked_by_the_first(run.path, fabric)
    with lock, random_state_untouched(fabric.device), Interruption() as interruption:
        with without_published_weights(skip=bool(run.checkpoints())):
            trainer = TRAINERS[type(config)](run.experiment, task, fabric)
        with Session(run, trainer, quiet) as session:
            if session.fresh:
                session.evaluate()
                session.save()
            signal = None
            while trainer.iteration < config.iterations and signal is None:
                logs = session.is_due(config.log_every, ahead=1)
                metrics = trainer.step(measure=logs)
                session.note(metrics)
                improved = session.is_due(config.evaluate_every) and session.evaluate()
                if trainer.iteration == config.iterations:
                    session.test()
                signal = interruption.reduced_signal(fabric, reduce=logs)
                if signal is not None or improved or session.is_due(config.checkpoint_every):
                    session.save()
        fabric.barrier()
        signal = interruption.signal or signal  # one that came meanwhile, as SIGUSR2 after SIGTERM on a cluster
    finished = trainer.iteration == config.iterations
    return Outcome(trainer.iteration, None if finished else signal, session.best["score"])
