"""Backbones: what turns data into features, once per forward pass. Each maps a batch to features (B, C, *grid)."""

from ctm.backbones.base import BackboneConfig, Identity
from ctm.backbones.conv_net import ConvNet
from ctm.backbones.features import FeatureTokens
from ctm.backbones.grid_cells import GridCells
from ctm.backbones.lattice_net import LatticeNet
from ctm.backbones.module import ModuleBackbone, wrap
from ctm.backbones.per_frame import PerFrame
from ctm.backbones.perceptron import GatedPerceptron
from ctm.backbones.pretrained import without_published_weights
from ctm.backbones.pretrained_resnet import PretrainedResNet
from ctm.backbones.pretrained_timm import PretrainedTimm
from ctm.backbones.resnet import ResNet
from ctm.backbones.tokens import TokenEmbedding

__all__ = [
    "BackboneConfig",
    "ConvNet",
    "FeatureTokens",
    "GatedPerceptron",
    "GridCells",
    "Identity",
    "LatticeNet",
    "ModuleBackbone",
    "PerFrame",
    "PretrainedResNet",
    "PretrainedTimm",
    "ResNet",
    "TokenEmbedding",
    "without_published_weights",
    "wrap",
]
