"""Exported machines without PyTorch: NumPy and ONNX Runtime are all that is needed.

>>> import ctm.runtime
>>> model = ctm.runtime.load("exported/digits")     # what `ctm export` wrote
>>> thoughts = model(images)                         # (B, …) arrays
>>> thoughts.at("most_certain").argmax(-1)           # (B,)
>>> answers, certainty, ticks = model.think(images, until=0.9)
"""

from ctm.runtime.loading import load
from ctm.runtime.machine import Answers, Machine
from ctm.runtime.thoughts import Thoughts
from ctm.runtime.whole_pass import WholePass

__all__ = ["Answers", "Machine", "Thoughts", "WholePass", "load"]
