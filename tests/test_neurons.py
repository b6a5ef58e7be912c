import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ctm import ConfigError, NeuronModels
from machines import perturbed


def thought(models, history):
    return models.prepare()(history.roll(1, -1), history[..., -1])[0]


def glu(values):
    """The first half, gated by the second."""
    half = len(values) // 2
    return [a / (1 + math.exp(-b)) for a, b in zip(values[:half], values[half:], strict=True)]


def naive(models, history):
    """Neuron by neuron, with lists of numbers: (B, D, M) to (B, D)."""
    result = torch.zeros(history.shape[:2], dtype=history.dtype)
    for sample, neurons in enumerate(history.tolist()):
        for neuron, values in enumerate(neurons):
            for layer in models.layers:
                if layer.norm is not None:
                    tensor = torch.tensor(values, dtype=history.dtype)
                    values = F.layer_norm(tensor, (len(values),), layer.norm.weight, layer.norm.bias).tolist()
                weight, bias = layer.weight[neuron].tolist(), layer.bias[neuron].tolist()
                affine = [
                    sum(w * v for w, v in zip(row, values, strict=True)) + b
                    for row, b in zip(weight, bias, strict=True)
                ]
                values = glu([a / layer.temperature.item() for a in affine])
            (result[sample, neuron],) = values
    return result


@given(
    batch=st.integers(1, 3),
    neurons=st.integers(1, 5),
    memory=st.integers(1, 6),
    hidden=st.one_of(st.none(), st.integers(1, 4)),
    layer_norm=st.booleans(),
)
def test_every_neuron_applies_its_own_perceptron(batch, neurons, memory, hidden, layer_norm):
    models = perturbed(NeuronModels(NeuronModels.Config(hidden, layer_norm), neurons, memory)).double()
    history = torch.randn(batch, neurons, memory, dtype=torch.float64)
    torch.testing.assert_close(thought(models, history), naive(models, history))


def test_neurons_are_private():
    """Another history of one neuron changes nothing for the others."""
    models = NeuronModels(NeuronModels.Config(4), 6, 5)
    history = torch.randn(2, 6, 5)
    changed = history.clone()
    changed[:, 3] += 1
    differ = (thought(models, history) != thought(models, changed)).any(0)
    assert differ.tolist() == [neuron == 3 for neuron in range(6)]


@pytest.mark.parametrize(("neurons", "memory", "hidden"), [(1024, 25, 16), (256, 15, 64), (7, 3, None)])
def test_number_of_parameters(neurons, memory, hidden):
    """D (2 H (M + 1) + 2 (H + 1)) and one temperature a layer; D 2 (M + 1) + 1 without a hidden layer."""
    with torch.device("meta"):
        models = NeuronModels(NeuronModels.Config(hidden), neurons, memory)
    if hidden is None:
        expected = neurons * 2 * (memory + 1) + 1
    else:
        expected = neurons * (2 * hidden * (memory + 1) + 2 * (hidden + 1)) + 2
    assert sum(p.numel() for p in models.parameters()) == expected


def test_fresh_weights():
    """Uniform within 1 / sqrt(in + 2 out), no biases, temperatures of one."""
    models = NeuronModels(NeuronModels.Config(8), 500, 10)
    for layer, (inputs, outputs) in zip(models.layers, [(10, 8), (8, 1)], strict=True):
        bound = (inputs + 2 * outputs) ** -0.5
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
        assert not layer.bias.any()
        assert layer.temperature.item() == 1


def test_dropout_only_in_training():
    models = NeuronModels(NeuronModels.Config(4, dropout=0.5), 6, 5)
    history = torch.randn(2, 6, 5)
    assert not torch.equal(thought(models, history), thought(models, history))
    models.eval()
    assert torch.equal(thought(models, history), thought(models, history))


def test_gradients_are_right():
    models = perturbed(NeuronModels(NeuronModels.Config(2, layer_norm=True), 3, 4)).double()
    history = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(partial(thought, models), (history,))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden": 0}, "hidden = 0: expected at least 1, or nothing"),
        ({"dropout": 1.0}, "dropout = 1.0: expected 0 <= dropout < 1"),
        ({"dropout": -0.5}, "dropout = -0.5: expected 0 <= dropout < 1"),
    ],
)
def test_impossible_models_are_refused(fields, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        NeuronModels.Config(**fields)
