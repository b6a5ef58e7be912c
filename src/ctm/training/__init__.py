"""One engine for every task and every way to learn it.

>>> run = Run.create("runs/parity", experiment)
>>> outcome = train(run)                        # stop it whenever you like
>>> outcome = train(Run.open("runs/parity"))    # goes on exactly where it stopped
>>> model = run.load_model("best")
"""

from ctm.errors import RunError
from ctm.tasks.checks import TaskError
from ctm.training.checkpoint import Checkpoint
from ctm.training.clipping import Clipping, NoClipping, NormClipping, QuantileClipping
from ctm.training.config import AdamW, Experiment, TrainingConfig
from ctm.training.engine import Outcome, train
from ctm.training.evaluation import evaluate
from ctm.training.ppo import PPO
from ctm.training.run import Run, RunExists
from ctm.training.schedules import Cosine, LinearDecay, Multistep, Schedule
from ctm.training.session import Diverged

__all__ = [
    "PPO",
    "AdamW",
    "Checkpoint",
    "Clipping",
    "Cosine",
    "Diverged",
    "Experiment",
    "LinearDecay",
    "Multistep",
    "NoClipping",
    "NormClipping",
    "Outcome",
    "QuantileClipping",
    "Run",
    "RunError",
    "RunExists",
    "Schedule",
    "TaskError",
    "TrainingConfig",
    "evaluate",
    "train",
]
