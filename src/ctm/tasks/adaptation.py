"""A machine that suits the shape of some data."""

from ctm.backbones import BackboneConfig, ConvNet, FeatureTokens
from ctm.errors import ConfigError
from ctm.machine import MachineConfig
from ctm.observers import CrossAttention, Scheduled
from ctm.positions import FourierPositions, NoPositions, PositionConfig, RotationalPositions
from ctm.readouts import ClassReadout

SUITABLE: dict[int, tuple[BackboneConfig, PositionConfig]] = {
    1: (FeatureTokens.Config(width=32), NoPositions()),
    2: (ConvNet.Config((32, 64), (False, True), dimensions=1), RotationalPositions.Config(1)),
    3: (ConvNet.Config((32, 64), (False, True)), FourierPositions.Config()),
}
"""Backbones and positions for vectors, series and maps."""


def adapted(model: MachineConfig, shape: tuple[int, ...], answer_shape: tuple[int, ...]) -> MachineConfig:
    """The machine with a backbone for inputs of a shape and a readout for answers of a shape.

    Its own backbone stays if it takes such inputs, with the right number of channels; otherwise it gets one that does,
    and positions that suit its features.

    Args:
        model: what to adapt.
        shape: (features,), (C, time) or (C, H, W).
        answer_shape: (*answer, C).

    Raises:
        ConfigError: if the machine's observer cannot look at such features.
    """
    if isinstance(model.observer, Scheduled.Config):
        raise ConfigError("model.observer: scheduled: expected one that sees its input as a whole, such as attention")
    suitable, positions = SUITABLE[len(shape)]
    backbone = model.backbone.adapted(shape) or suitable.adapted(shape)
    assert backbone is not None
    observer = model.observer
    if isinstance(observer, CrossAttention.Config) and backbone.dimensions != model.backbone.dimensions:
        observer = observer.replace(positions=positions)
    readout = ClassReadout.Config(answer_shape[-1], answer_shape[:-1])
    return model.replace(backbone=backbone, observer=observer, readout=readout)
