import math
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import ctm
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


class Weighted(ctm.HistoryModel):
    """One weight for every neuron and every moment."""

    @dataclass(frozen=True)
    class Config(ctm.NeuronModelConfig, kind="weighted"):
        scale: float = 1.0

        def build(self, neurons, memory):
            return Weighted(self.scale, neurons, memory)

    def __init__(self, scale, neurons, memory):
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(neurons, memory))

    def forward(self, history):
        return (history * self.weight).sum(-1).tanh()


def with_own_models(models):
    config = ctm.preset("parity/quick").model
    core = ctm.NeuronCore.Config(32, 4, ctm.SynapseMLP.Config(), models)
    return config.replace(ticks=6, core=core)


def test_a_model_of_ones_own_is_a_function_of_histories():
    history, newest = torch.randn(2, 3, 4), torch.randn(2, 3)
    models = Weighted.Config().build(3, 4)
    for ticks in (0, 5):
        post_activations, remembered = models.prepare(ticks)(history, newest)
        torch.testing.assert_close(remembered, torch.cat([history[..., 1:], newest.unsqueeze(-1)], dim=-1))
        torch.testing.assert_close(post_activations, models(remembered))


def test_a_machine_thinks_with_a_model_of_ones_own_as_its_oracle_does():
    config = with_own_models(Weighted.Config(2.0))
    assert ctm.MachineConfig.from_dict(config.to_dict()) == config
    model = config.build().double()
    assert isinstance(model.core.models, Weighted)
    signs = torch.randint(2, (3, config.readout.answer[0])).double() * 2 - 1
    ours, expected = (
        torch.autograd.grad(machine(signs).logits.square().sum(), list(model.parameters()), allow_unused=True)
        for machine in (model, ctm.literal.from_model(model))
    )
    for gradient, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(gradient, other)
    answers = ctm.think(model.eval(), signs, until=1.0, batch=2).answers
    torch.testing.assert_close(answers, model(signs).at("most_certain"))


def test_a_subclass_of_our_models_builds_what_it_says():
    class Halved(NeuronModels):
        @dataclass(frozen=True)
        class Config(NeuronModels.Config, kind="halved"):
            def build(self, neurons, memory):
                return Halved(self, neurons, memory)

        def prepare(self, ticks=0):
            remember = super().prepare(ticks)

            def halved(history, newest):
                post_activations, history = remember(history, newest)
                return post_activations / 2, history

            return halved

    model = with_own_models(Halved.Config(4)).build()
    plain = with_own_models(NeuronModels.Config(4)).build()
    plain.load_state_dict(model.state_dict())
    signs = torch.ones(2, model.config.readout.answer[0])
    assert not torch.equal(model(signs).logits, plain(signs).logits)
    torch.testing.assert_close(model(signs).logits, ctm.literal.from_model(model)(signs).logits)


def test_a_configuration_without_a_kind_means_our_models():
    data = ctm.preset("parity/quick").to_dict()
    del data["model"]["core"]["models"]["kind"]
    assert ctm.Experiment.from_dict(data) == ctm.preset("parity/quick")
