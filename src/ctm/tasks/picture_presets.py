"""What the presets of small pictures have in common."""

from ctm.backbones import ConvNet
from ctm.machine import MachineConfig
from ctm.observers import CrossAttention
from ctm.pairings import Dense
from ctm.positions import FourierPositions
from ctm.recipes import machine
from ctm.synapses import SynapseMLP


def small_picture_machine(
    widths: tuple[int, ...], pools: tuple[bool, ...], embedding: int, dropout: float
) -> MachineConfig:
    """A machine for small grey pictures of digits, after the authors' MNIST notebook."""
    return machine(
        ticks=15,
        backbone=ConvNet.Config(widths, pools),
        observer=CrossAttention.Config(embedding, 4, FourierPositions.Config(), dropout),
        neurons=128,
        memory=10,
        hidden=8,
        synapses=SynapseMLP.Config(dropout=dropout),
        output=Dense(32),
        answer_shape=(10,),
    )
