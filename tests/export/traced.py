"""Exports by `torch.export`, also as a program: a process whose annotations are not checked, which Dynamo needs.

python traced.py KIND
"""

import sys

import torch
from torch import nn
from torch.export import Dim, export

from ctm.export.graphs import Tick
from ctm.inputs import as_tuple
from export.kinds import inputs, machine


class Pass(nn.Module):
    """What a machine answers, and how sure it is."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *inputs):
        thoughts = self.model(inputs, ticks=2)
        return thoughts.logits, thoughts.certainty


def assert_exports_a_pass(kind, **how):
    """And answers for a batch of another size, and for one sample, what the machine does."""
    model = machine(kind)
    examples, others = (as_tuple(inputs(model, batch)) for batch in (3, 5))
    assert_exports(Pass(model), examples, others, **how)


def assert_exports_a_tick(kind, **how):
    model = machine(kind).requires_grad_(False)
    ticks = [Tick(model, as_tuple(inputs(model, batch))) for batch in (3, 5)]
    assert_exports(ticks[0], *(tuple(tick.inputs.values()) for tick in ticks), **how)


def assert_exports(module, examples, others, strict, gradients=False):
    sizes = {0: Dim("batch")}
    with torch.set_grad_enabled(gradients):
        program = export(module, examples, dynamic_shapes=((sizes,) * len(examples),), strict=strict)
    with torch.no_grad():
        for samples in (others, tuple(tensor[:1] for tensor in others)):
            torch.testing.assert_close(program.module()(*samples), module(*samples))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for gradients in (False, True):
        assert_exports_a_pass(sys.argv[1], strict=True, gradients=gradients)
    assert_exports_a_tick(sys.argv[1], strict=True)
