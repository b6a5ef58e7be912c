"""Pictures of what a machine does; they work on the thoughts of any model. Needs the extra `figures`.

Stills are matplotlib figures (`.savefig(path)`); animations are frames for `save_animation(frames, path)`.
"""

from ctm.analysis.attention import centre
from ctm.analysis.curves import training_curves
from ctm.analysis.looking import looking, looking_frames
from ctm.analysis.neurons import neuron_traces
from ctm.analysis.over_ticks import OverTicks, accuracy_over_ticks, certainty_over_ticks
from ctm.analysis.parity import accuracy_by_position, parity_frames, parity_picture
from ctm.analysis.video import save_animation

__all__ = [
    "OverTicks",
    "accuracy_by_position",
    "accuracy_over_ticks",
    "centre",
    "certainty_over_ticks",
    "looking",
    "looking_frames",
    "neuron_traces",
    "parity_frames",
    "parity_picture",
    "save_animation",
    "training_curves",
]
