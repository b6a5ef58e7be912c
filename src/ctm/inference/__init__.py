"""Using a trained machine: stopping when sure, pools of samples of different ages, running answers."""

from ctm.inference.halting import Answers, think, think_stream, threshold_for_budget

__all__ = ["Answers", "think", "think_stream", "threshold_for_budget"]
