"""What training minimises, over the answers of all ticks."""

from ctm.losses.base import LossConfig
from ctm.losses.cross_entropy import LastTickLoss, cross_entropy_over_ticks
from ctm.losses.ctc import CTCLoss, ctc_over_ticks
from ctm.losses.curriculum import CurriculumLoss, curriculum_over_ticks
from ctm.losses.two_tick import TwoTickLoss, two_tick_loss

__all__ = [
    "CTCLoss",
    "CurriculumLoss",
    "LastTickLoss",
    "LossConfig",
    "TwoTickLoss",
    "cross_entropy_over_ticks",
    "ctc_over_ticks",
    "curriculum_over_ticks",
    "two_tick_loss",
]
