"""A machine in two processes that compute together, by PyTorch's own means."""

import copy
import os
import warnings

import pytest
import torch
import torch.distributed
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.utils import parametrize

from ctm.registry import model_config


class AsVector(nn.Module):
    """A scalar that is kept as a vector of length one, since `fully_shard` takes no scalars."""

    def forward(self, vector):
        return vector.squeeze(0)

    def right_inverse(self, scalar):
        return scalar.unsqueeze(0)


def compute(rank, port):
    """Compares outputs and gradients of half a batch in each process with those of all of it in one."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    mesh = init_device_mesh("cpu", (2,))
    torch.manual_seed(0)
    model = model_config("parity/quick").replace(ticks=3, seed=0).build().double()
    signs = torch.randint(2, (4, 9)).double() * 2 - 1
    expected = model(signs).logits
    expected.square().mean().backward()
    wanted = {name: parameter.grad for name, parameter in model.named_parameters()}
    for wrap in (nn.parallel.DistributedDataParallel, lambda model: sharded(model, mesh)):
        other = copy.deepcopy(model)
        other.zero_grad()
        wrapped = wrap(other)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "FSDP2-wrapped module")  # of views, which nobody changes in place
            for _ in range(2):  # gradients accumulate
                found = wrapped(signs[2 * rank : 2 * rank + 2]).logits
                found.square().mean().backward()
        torch.testing.assert_close(found, expected[2 * rank : 2 * rank + 2])
        for name, parameter in other.named_parameters():
            grad = parameter.grad.full_tensor() if hasattr(parameter.grad, "full_tensor") else parameter.grad
            before = wanted[name.replace("parametrizations.", "").replace(".original", "")]
            torch.testing.assert_close(grad.view_as(before), 2 * before)
    other = copy.deepcopy(model_config("parity/quick-lstm").build())
    fully_shard(other.core, mesh=mesh)  # a part alone, which is never called
    with pytest.raises(RuntimeError) as raised:
        other(torch.ones(2, 9))
    assert "hooks on core do not fire" in raised.value.__notes__[0]
    assert "fully_shard(model)" in raised.value.__notes__[0]
    torch.distributed.destroy_process_group()


def sharded(model, mesh):
    for layer in model.core.models.layers:
        parametrize.register_parametrization(layer, "temperature", AsVector())
    return fully_shard(model, mesh=mesh)


def answer(model, signs, answers):
    """Answers in a process of its own."""
    torch.set_num_threads(1)
    with torch.no_grad():
        answers.put(model(signs).logits.tolist())
