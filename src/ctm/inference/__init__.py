"""Using a trained machine: stopping when sure, several thoughts about an input, running answers, streams."""

from ctm.inference.halting import Answers, think, think_stream
from ctm.inference.samples import Noise
from ctm.inference.stream import Stream
from ctm.inference.thresholds import threshold_for_budget, threshold_for_error

__all__ = ["Answers", "Noise", "Stream", "think", "think_stream", "threshold_for_budget", "threshold_for_error"]
