"""What a machine costs, against formulas, and against steps that compute."""

import pytest
import torch
from torch import nn

import ctm
from ctm.cores.memoryless import FeedForwardCore
from ctm.counting import _Alive
from ctm.inputs import as_tuple
from training.experiments import parity

D, M, H, E, P, C, L, T = 16, 3, 4, 8, 10, 2, 5, 4
"""Sizes of `parity()`: neurons, memory, hidden width, attention width, pairs, classes, positions, ticks."""


def test_multiplications_are_those_of_the_formulas():
    costs = ctm.count(parity())
    positions = 2 * L * E  # from an angle's sine and cosine
    observer = {
        "per_pass": E * E * P + positions,
        "per_sample": L * E * E + L * E * 2 * E,
        "per_tick": P * E + 2 * L * E + E * E,
    }
    assert {name: part._asdict() for name, part in costs.parts.items()} == {
        "backbone": {"parameters": 2 * E, "per_pass": 0, "per_sample": 0, "per_tick": 0},
        "observer": {"parameters": costs.parts["observer"].parameters} | observer,
        "core": {"parameters": D + D * M, "per_pass": 0, "per_sample": 0, "per_tick": 0},
        "core.synapses": {
            "parameters": (E + D + 1) * 2 * D + 2 * D,
            "per_pass": 0,
            "per_sample": 0,
            "per_tick": (E + D) * 2 * D,
        },
        "core.models": {
            "parameters": D * ((M + 1) * 2 * H + (H + 1) * 2) + 2,
            "per_pass": 0,
            "per_sample": 0,
            "per_tick": D * (M * 2 * H + H * 2),
        },
        "action": {"parameters": P, "per_pass": 0, "per_sample": 0, "per_tick": 0},
        "output": {"parameters": P, "per_pass": 0, "per_sample": 0, "per_tick": 0},
        "readout": {"parameters": (P + 1) * L * C, "per_pass": 0, "per_sample": 0, "per_tick": P * L * C},
    }
    assert costs.ticks == T
    per_tick = observer["per_tick"] + (E + D) * 2 * D + D * (M * 2 * H + H * 2) + P * L * C
    assert costs.multiplications == observer["per_sample"] + T * per_tick


def test_a_convolution_and_a_unet_and_an_lstm_are_counted():
    core = ctm.NeuronCore.Config(D, M, ctm.SynapseUNet.Config(levels=2, bottleneck=6))
    backbone = ctm.ConvNet.Config((5,), (True,), input_channels=2)
    config = parity().model.replace(
        backbone=backbone, observer=ctm.Pooling.Config(), action=ctm.NoRepresentation.Config()
    )
    counted = ctm.count(config.replace(core=core), (2, 6, 8)).parts
    assert counted["backbone"].per_sample == 6 * 8 * 5 * 2 * 9
    assert counted["core.synapses"].per_tick == (5 + D) * D + D * 6 + 6 * D
    counted = ctm.count(config.replace(core=ctm.LSTMCore.Config(D, layers=2)), (2, 6, 8)).parts
    assert "core.synapses" not in counted
    assert counted["core"].per_tick == (5 + D) * 4 * D + 2 * D * 4 * D
    counted = ctm.count(config.replace(core=FeedForwardCore.Config(D, "glu")), (2, 6, 8)).parts
    assert counted["core"].per_tick == 5 * 2 * D


@pytest.mark.parametrize("name", ["mazes/quick-no-neuron-models", "qamnist/quick"])
def test_parameters_are_all_there_are(name):
    experiment = ctm.preset(name)
    model = experiment.model.replace(ticks=1)
    parts, ticks, _ = ctm.count(experiment.replace(model=model))
    assert ticks == 1 + 2 * (2 + 2 * 2 + 1) * (name == "qamnist/quick")  # at which something is shown
    for name, part in model.build().named_children():
        counted = sum(costs.parameters for counted, costs in parts.items() if counted.split(".")[0] == name)
        assert counted == sum(parameter.numel() for parameter in part.parameters())


@pytest.mark.parametrize(
    "changes", [{}, {"recompute": True}, {"precision": "bf16"}, {"accumulate": 2}, {"batch_size": 16, "devices": 2}]
)
def test_memory_is_that_of_a_step_that_computes(changes):
    """To 2 percent; what oneDNN keeps for itself is left out in both."""
    training = {"batch_size": 8, **changes}
    experiment = parity(dropout=0.1, **training)
    memory = ctm.count(experiment).memory
    config = experiment.training
    assert memory.samples == config.batch_size // (config.accumulate * config.devices)
    model = experiment.model.build()
    if config.recompute:
        ctm.transforms.recomputation.recompute(model)
    optimizer = config.optimizer.build(model)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    assert memory.weights == 4 * numbers + sum(buffer.nbytes for buffer in model.buffers())
    batch = experiment.task.build().batch(0, 0, memory.samples)

    def backward():
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            thoughts = model(batch.inputs)  # which stay until the end, as in training
            loss = experiment.task.loss(thoughts, batch.targets)
        loss.backward()

    for _ in range(2):
        for _ in range(config.accumulate - 1):
            backward()
        others = [
            *model.parameters(),
            *model.buffers(),
            *batch,
            *(p.grad for p in model.parameters() if p.grad is not None),
        ]
        remembered = [value for state in optimizer.state.values() for value in state.values()]
        with _Alive([*others, *remembered]) as alive:
            backward()
            optimizer.step()
        optimizer.zero_grad()
    assert memory.optimizer == sum(value.nbytes for value in remembered)
    gradients = 4 * numbers * (config.accumulate > 1)
    assert memory.working == pytest.approx(alive.peak + gradients, rel=0.02)


def test_tensors_that_are_alive_at_once_are_counted():
    before = torch.zeros(100)
    with _Alive([before]) as alive:
        first = before + 1
        view = first[:50]
        del first
        before.add_(1)
        second = view.repeat(4)
        del view, second
        before.clone()
    assert alive.peak == 400 + 800


def test_nothing_is_drawn_and_a_part_of_ones_own_counts():
    state = torch.random.get_rng_state()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 6))
    config = parity().model.replace(
        backbone=ctm.wrap(encoder, channels=6, dimensions=0),
        observer=ctm.Direct.Config(),
        action=ctm.NoRepresentation.Config(),
    )
    after = torch.random.get_rng_state()
    assert ctm.count(config, (3, 4)).parts["backbone"] == (13 * 6, 0, 12 * 6, 0)
    assert torch.equal(torch.random.get_rng_state(), after)
    assert not torch.equal(state, after)


class Counts(nn.Module):
    def forward(self, x):
        return x * int(x.sum())


def test_what_cannot_be_counted_is_said():
    machine = parity().model
    with pytest.raises(
        ctm.ConfigError, match=r"input_shape = None: expected sizes of a sample, such as \(3, 224, 224\)"
    ):
        ctm.count(machine)
    with pytest.raises(ctm.ConfigError, match=r"input_shape = \(0,\): expected sizes"):
        ctm.count(machine, (0,))
    with pytest.raises(ctm.ConfigError, match=r"input_shape = \(5,\): expected nothing"):
        ctm.count(parity(), (5,))
    with pytest.raises(ctm.ConfigError, match=r"count: .* pictures of shape \(1, 5\): expected \(B, 1, H, W\)"):
        ctm.count(ctm.preset("digits").model, (5,))
    curious = machine.replace(
        backbone=ctm.wrap(Counts(), channels=6, dimensions=0),
        observer=ctm.Direct.Config(),
        action=ctm.NoRepresentation.Config(),
    )
    with pytest.raises(ctm.ConfigError, match="count: this machine does not think about inputs without values"):
        ctm.count(curious, (6,))
    with pytest.raises(ctm.ConfigError, match=r"task\.train: missing: name a file"):
        ctm.count(ctm.preset("arrays"))


@pytest.mark.parametrize("name", ["digits", "mazes/quick", "qamnist/quick"])
def test_examples_are_like_batches(name, tmp_path):
    task = ctm.preset(name).task
    if name.startswith("mazes"):
        task = task.replace(size=7, train_mazes=20, validation_mazes=2, test_mazes=2, cache=str(tmp_path))
    if name.startswith("qamnist"):
        task = task.replace(digits=(2, 2), operations=(2, 2))
    example, batch = (as_tuple(inputs) for inputs in (task.example(3), task.build().batch(0, 0, 3).inputs))
    assert [(tensor.shape, tensor.dtype) for tensor in example] == [(tensor.shape, tensor.dtype) for tensor in batch]
