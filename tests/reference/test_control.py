"""The authors' agents: numbers that their code computed, and what their classes mean, written out."""

import functools
import math

import pytest
import torch
from torch.nn import functional as F

import ctm
from ctm import Agent
from ctm.reference import CheckpointError, from_state_dict, translation
from reference import files

weights, arguments, numbers = (
    functools.partial(read, "rl_classic") for read in (files.weights, files.arguments, files.numbers)
)


def acted(model, observations):
    """The logits and values of all observations in a row, and the state after the last."""
    agent = Agent(model)
    state, logits, values = agent.initial_state(observations.shape[1]), [], []
    for observation in observations:
        said, value, state = agent(observation, state)
        logits.append(said)
        values.append(value)
    return torch.stack(logits), torch.stack(values), state


def close(mine, theirs):
    torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def test_agrees_with_the_authors_agent():
    io, model = numbers(), from_state_dict(weights(), arguments(), "rl")
    with torch.no_grad():
        logits, values, state = acted(model, io["in.obs"])
    close(logits, io["out.logits"])
    close(values.unsqueeze(-1), io["out.values"])
    close(state.core.history, io["out.state0"])
    close(state.core.post_activations, io["out.state1"][..., -1])
    close(state.output, io["out.state1"][:, model.output.left] * io["out.state1"][:, model.output.right])
    assert not model.training


def test_agrees_with_the_gradients_of_the_authors_agent():
    io, model = numbers(), from_state_dict(weights(), arguments(), "rl")
    logits, values, _ = acted(model, io["in.obs"])
    loss = logits.square().mean() + values.square().mean()
    close(loss.detach(), io["loss"].squeeze())
    loss.backward()
    found, squares = translation(arguments(), weights(), "rl"), {}
    for name, parameter in model.named_parameters():  # two of ours are columns of one of theirs
        theirs = f"gradnorm.{found.their_name(name)}"
        squares[theirs] = squares.get(theirs, 0) + parameter.grad.square().sum()
    assert squares.keys() == {name for name in io if name.startswith("gradnorm.")}
    for name, square in squares.items():
        torch.testing.assert_close(square.sqrt(), io[name].squeeze(), rtol=1e-4, atol=1e-7, msg=name)


def test_the_last_neurons_are_listened_to_although_the_first_are_stored():
    model = from_state_dict(weights(), arguments(), "rl")
    assert list(zip(model.output.left.tolist(), model.output.right.tolist(), strict=True)) == [
        (i, j) for i in range(26, 32) for j in range(i, 32)
    ]


def test_decays_are_clamped():
    decay = torch.linspace(-1, 6, 21)
    model = from_state_dict(weights() | {"recurrent_model.decay_params_out": decay}, arguments(), "rl")
    assert torch.equal(model.output.decay, decay.clamp(0, 4))


WIDTH, NEURONS, MEMORY, HIDDEN, LISTENING, ACTIONS, CELLS = 5, 8, 4, 3, 3, 7, 9


def uniform(*shape):
    return torch.rand(shape) - 0.5


def affine(name, inputs, outputs):
    return {f"{name}.weight": uniform(outputs, inputs), f"{name}.bias": uniform(outputs)}


def norm(name, width):
    return {f"{name}.weight": 1 + uniform(width), f"{name}.bias": uniform(width)}


def grid_weights():
    counts = {"object": 11, "color": 6, "state": 3, "position": CELLS}
    tables = {f"backbone.{name}_embedding.weight": uniform(count, 8) for name, count in counts.items()}
    layers = "backbone.project_to_d_projection"
    return (
        tables
        | affine(f"{layers}.0", 32, 2 * WIDTH)
        | norm(f"{layers}.2", WIDTH)
        | affine(f"{layers}.3", WIDTH, 2 * WIDTH)
        | norm(f"{layers}.5", WIDTH)
    )


def vector_weights():
    layers = "backbone.input_projector"
    return (
        affine(f"{layers}.1", 4, 2 * WIDTH)
        | norm(f"{layers}.3", WIDTH)
        | affine(f"{layers}.4", WIDTH, 2 * WIDTH)
        | norm(f"{layers}.6", WIDTH)
    )


def machine_weights(seen):
    indices = torch.arange(LISTENING)
    return {
        "start_trace": uniform(NEURONS, MEMORY),
        "start_activated_trace": uniform(NEURONS, MEMORY),
        "decay_params_out": torch.rand(LISTENING * (LISTENING + 1) // 2),
        "out_neuron_indices_left": indices,
        "out_neuron_indices_right": indices,
        "diagonal_mask_out": torch.ones(LISTENING, LISTENING).triu().bool(),
        **affine("synapses.1", seen + NEURONS, 2 * NEURONS),
        **norm("synapses.3", NEURONS),
        **affine("synapses.4", NEURONS, 2 * NEURONS),
        **norm("synapses.6", NEURONS),
        "trace_processor.0.0.w1": uniform(MEMORY, 2 * HIDDEN, NEURONS),
        "trace_processor.0.0.b1": uniform(1, NEURONS, 2 * HIDDEN),
        "trace_processor.0.0.T": torch.tensor([0.8]),
        "trace_processor.0.2.w1": uniform(HIDDEN, 2, NEURONS),
        "trace_processor.0.2.b1": uniform(1, NEURONS, 2),
        "trace_processor.0.2.T": torch.tensor([1.2]),
    }


def lstm_weights(seen):
    gates = {"lstm_cell.weight_ih": (4 * NEURONS, seen), "lstm_cell.weight_hh": (4 * NEURONS, NEURONS)}
    gates |= {"lstm_cell.bias_ih": (4 * NEURONS,), "lstm_cell.bias_hh": (4 * NEURONS,)}
    starts = {"start_hidden_state": (NEURONS,), "start_cell_state": (NEURONS,)}
    return {name: uniform(*shape) for name, shape in (gates | starts).items()}


def agent_weights(model, heard):
    """As the authors save an agent: the model under a prefix, and the heads."""
    found = {f"recurrent_model.{name}": tensor for name, tensor in model.items()}
    for head, outputs in (("actor", ACTIONS), ("critic", 1)):
        found |= affine(f"{head}.0", heard, 64) | affine(f"{head}.2", 64, 64) | affine(f"{head}.4", 64, outputs)
    return found


class Theirs:
    """Their agents, as they are described, from a state dict."""

    def __init__(self, state_dict, ticks):
        self.weights, self.ticks = state_dict, ticks

    def __call__(self, name):
        return self.weights[f"recurrent_model.{name}"]

    def affine(self, name, x):
        return x @ self(f"{name}.weight").T + self(f"{name}.bias")

    def gated(self, linear, normalised, x):
        """Linear, GLU, LayerNorm."""
        first, second = self.affine(linear, x).chunk(2, dim=-1)
        gated = first * torch.sigmoid(second)
        return F.layer_norm(gated, gated.shape[-1:], self(f"{normalised}.weight"), self(f"{normalised}.bias"))

    def features(self, observation):
        if observation.dim() == 2:
            layers, places = "backbone.input_projector", (1, 3, 4, 6)
            x = observation
        else:
            layers, places = "backbone.project_to_d_projection", (0, 2, 3, 5)
            tables = [self(f"backbone.{name}_embedding.weight") for name in ("object", "color", "state")]
            cells = observation.flatten(1, 2).long()  # (B, cells, 3), row by row
            where = self("backbone.position_embedding.weight").expand(len(cells), -1, -1)
            x = torch.cat([*(table[cells[..., k]] for k, table in enumerate(tables)), where], dim=-1)
        x = self.gated(f"{layers}.{places[0]}", f"{layers}.{places[1]}", x)
        return self.gated(f"{layers}.{places[2]}", f"{layers}.{places[3]}", x).flatten(1)  # cell by cell

    def heads(self, representation):
        said = []
        for head in ("actor", "critic"):
            x = representation
            for layer in (0, 2, 4):
                x = x @ self.weights[f"{head}.{layer}.weight"].T + self.weights[f"{head}.{layer}.bias"]
                x = x.relu() if layer < 4 else x
            said.append(x)
        return said

    def machine(self, observations):
        batch, said = observations.shape[1], []
        traces = [self(name).expand(batch, -1, -1) for name in ("start_trace", "start_activated_trace")]
        pairs = [(i, j) for i in range(NEURONS - LISTENING, NEURONS) for j in range(i, NEURONS)]
        for observation in observations:
            features = self.features(observation)
            for _ in range(self.ticks):
                x = torch.cat([features, traces[1][:, :, -1]], dim=-1)
                x = self.gated("synapses.4", "synapses.6", self.gated("synapses.1", "synapses.3", x))
                traces[0] = torch.cat([traces[0][:, :, 1:], x.unsqueeze(-1)], dim=-1)
                z = traces[0]
                for layer in ("trace_processor.0.0", "trace_processor.0.2"):
                    z = torch.einsum("bdm,mhd->bdh", z, self(f"{layer}.w1")) + self(f"{layer}.b1")
                    z = F.glu(z / self(f"{layer}.T"), dim=-1)
                traces[1] = torch.cat([traces[1][:, :, 1:], z], dim=-1)
            synchronization = []
            for (i, j), rate in zip(pairs, self("decay_params_out").tolist(), strict=True):
                counts = torch.tensor([math.exp(-rate * age) for age in reversed(range(MEMORY))])
                products = traces[1][:, i] * traces[1][:, j]  # (B, M)
                synchronization.append((products * counts).sum(-1) / counts.sum().sqrt())
            said.append(self.heads(torch.stack(synchronization, dim=-1)))
        return [torch.stack(parts) for parts in zip(*said, strict=True)]

    def lstm(self, observations):
        batch, said = observations.shape[1], []
        h, c = (self(f"start_{name}_state").expand(batch, -1) for name in ("hidden", "cell"))
        for observation in observations:
            features = self.features(observation)
            for _ in range(self.ticks):
                gates = features @ self("lstm_cell.weight_ih").T + self("lstm_cell.bias_ih")
                gates = gates + h @ self("lstm_cell.weight_hh").T + self("lstm_cell.bias_hh")
                take, keep, new, give = gates.chunk(4, dim=-1)
                c = torch.sigmoid(keep) * c + torch.sigmoid(take) * torch.tanh(new)
                h = torch.sigmoid(give) * torch.tanh(c)
            said.append(self.heads(h))
        return [torch.stack(parts) for parts in zip(*said, strict=True)]


def case(kind, grid):
    """Their state dict, their arguments, and observations of three steps and two environments."""
    torch.manual_seed(1)
    backbone, seen = (grid_weights(), CELLS * WIDTH) if grid else (vector_weights(), WIDTH)
    recurrent = machine_weights(seen) if kind == "rl" else lstm_weights(seen)
    heard = LISTENING * (LISTENING + 1) // 2 if kind == "rl" else NEURONS
    config = {"iterations": 2, "d_model": NEURONS, "d_input": WIDTH, "backbone_type": "any"}
    if kind == "rl":
        config |= {"n_synch_out": LISTENING, "synapse_depth": 1, "memory_length": MEMORY}
        config |= {"deep_nlms": True, "memory_hidden_dims": HIDDEN, "neuron_select_type": "first-last"}
    symbols = [torch.randint(count, (3, 2, 3, 3)) for count in (11, 6, 3)]
    observations = torch.stack(symbols, dim=-1) if grid else torch.randn(3, 2, 4)
    return agent_weights(backbone | recurrent, heard), config, observations


@pytest.mark.parametrize("grid", [False, True])
@pytest.mark.parametrize("kind", ["rl", "lstm-rl"])
def test_agents_are_what_they_are_described_to_be(kind, grid):
    """Vectors and MiniGrid, machines and LSTMs, tick by tick."""
    state_dict, config, observations = case(kind, grid)
    theirs = Theirs(state_dict, ticks=2)
    expected, expected_values = theirs.machine(observations) if kind == "rl" else theirs.lstm(observations)
    logits, values, _ = acted(from_state_dict(state_dict, config, kind), observations)
    close(logits.detach(), expected)
    close(values.detach().unsqueeze(-1), expected_values)
    found = translation(config, state_dict, kind)
    named = {found.their_name(name) for name in found.config.build().state_dict()}
    assert named == state_dict.keys() - {"recurrent_model.diagonal_mask_out"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neuron_select_type": "random"}, "neuron_select_type = 'random' is not supported; expected first-last"),
        ({"synapse_depth": 4}, "synapse_depth = 4 is not supported; expected 1"),
        ({"n_synch_out": 33}, "core.neurons = 32: expected at least 33"),
        ({"memory_length": 6}, r"recurrent_model\.start_activated_trace: shape \(32, 5\); expected \(32, 6\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(CheckpointError, match=message):
        from_state_dict(weights(), arguments() | change, "rl")


@pytest.mark.parametrize(
    "name", ["actor.0.weight", "actor.4.weight", "critic.2.bias", "recurrent_model.backbone.input_projector.1.weight"]
)
def test_missing_tensors_are_named(name):
    tensors = {other: tensor for other, tensor in weights().items() if other != name}
    with pytest.raises(CheckpointError, match=name):
        from_state_dict(tensors, arguments(), "rl")


def test_unexpected_tensors_are_named():
    with pytest.raises(CheckpointError, match=r"actor\.6\.weight: unexpected"):
        from_state_dict(weights() | {"actor.6.weight": torch.zeros(1)}, arguments(), "rl")


def test_wrappers_are_dropped():
    wrapped = {f"module.{name}": tensor for name, tensor in weights().items()}
    found, expected = (from_state_dict(tensors, arguments(), "rl") for tensors in (wrapped, weights()))
    torch.testing.assert_close(dict(found.state_dict()), dict(expected.state_dict()), rtol=0, atol=0)


def test_checkpoints_are_read(tmp_path):
    torch.save({"model_state_dict": weights(), "args": arguments(), "global_step": 3}, tmp_path / "checkpoint.pt")
    model = ctm.reference.load(tmp_path / "checkpoint.pt", kind="rl")
    assert model.config == from_state_dict(weights(), arguments(), "rl").config
