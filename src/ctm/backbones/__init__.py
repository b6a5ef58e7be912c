"""Backbones: what turns data into features, once per forward pass. Each maps a batch to features (B, C, *grid)."""

from ctm.backbones.base import BackboneConfig, Given
from ctm.backbones.digits import DigitConvolutions
from ctm.backbones.each import Each
from ctm.backbones.resnet import ResNet
from ctm.backbones.tokens import TokenEmbedding

__all__ = ["BackboneConfig", "DigitConvolutions", "Each", "Given", "ResNet", "TokenEmbedding"]
