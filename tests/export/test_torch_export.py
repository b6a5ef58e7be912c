"""`torch.export` takes a whole pass and a tick, with a batch of any size, traced either way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.export import Dim, export

import ctm
from export import traced
from export.kinds import KINDS, inputs, machine


@pytest.mark.parametrize("kind", KINDS)
def test_a_pass_of_every_kind(kind):
    traced.assert_exports_a_pass(kind, strict=False, gradients=True)


@pytest.mark.parametrize("kind", ["sequence", "question"])
def test_a_tick(kind):
    traced.assert_exports_a_tick(kind, strict=False)


@pytest.mark.parametrize("size", [Dim.DYNAMIC, Dim.AUTO], ids=["dynamic", "auto"])
def test_sizes_without_a_name(size):
    model = machine("series")
    examples, others = ((inputs(model, samples),) for samples in (3, 5))
    program = export(traced.Pass(model), examples, dynamic_shapes=(({0: size},),), strict=False)
    torch.testing.assert_close(program.module()(*others), traced.Pass(model)(*others))


@pytest.mark.parametrize("kind", ["sequence", "question"])
def test_a_pass_and_a_tick_traced_by_dynamo(kind):
    folders = [Path(ctm.__file__).parents[1], Path(traced.__file__).parents[1], os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}
    command = [sys.executable, traced.__file__, kind]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
