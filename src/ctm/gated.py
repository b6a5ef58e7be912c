"""Blocks of gated units, of which synapses and the backbones of control are made (appendix G.6)."""

from torch import nn


def gated_blocks(inputs: int, width: int, blocks: int) -> list[nn.Module]:
    """Linear, GLU and LayerNorm, several times; the last dimension goes from `inputs` to `width` numbers."""
    layers: list[nn.Module] = []
    for _ in range(blocks):
        layers += [nn.Linear(inputs, 2 * width), nn.GLU(), nn.LayerNorm(width)]
        inputs = width
    return layers
