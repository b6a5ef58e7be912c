"""The machine against the oracle: outputs, state and the gradient of every parameter."""

import copy
from dataclasses import dataclass

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import ctm
from ctm.cores.memoryless import MemorylessState
from ctm.registry import model_config
from ctm.thoughts import Thoughts
from ctm.transforms.recomputation import recompute
from machines import doubled, inputs_for, machine_configs, perturbed, readouts

TOLERANCE = 1e-9  # in double precision, where only a wrong formula makes a difference


def gradients(model: nn.Module, thoughts: Thoughts, weights: Tensor) -> dict[str, Tensor]:
    """Gradients of a sum over everything a pass returns, so that no path goes unnoticed."""
    model.zero_grad()
    batch = len(thoughts.logits)
    leaves = [leaf for leaf in pytree.tree_leaves(thoughts.state) if leaf is not None]
    state = sum(leaf.expand(batch, *leaf.shape[1:]).square().sum() for leaf in leaves)
    (((thoughts.logits * weights).sum() + thoughts.certainty.square().sum()) + 0.1 * state).backward()
    return {
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }


def assert_same(ours: object, oracle: object, what: str = "") -> None:
    ours_leaves, oracle_leaves = pytree.tree_leaves(ours), pytree.tree_leaves(oracle)
    assert len(ours_leaves) == len(oracle_leaves), what
    for mine, theirs in zip(ours_leaves, oracle_leaves, strict=True):
        if isinstance(mine, Tensor):
            scale = max(1.0, theirs.detach().abs().max().item()) if theirs.numel() else 1.0
            torch.testing.assert_close(
                mine,
                theirs.expand_as(mine) if mine.shape != theirs.shape else theirs,
                atol=TOLERANCE * scale,
                rtol=0,
                msg=lambda m: f"{what}: {m}",
            )
        else:
            assert mine == theirs, what


@given(config=machine_configs(readout=readouts()), batch=st.integers(1, 3), extra=st.integers(0, 3))
def test_machine_and_oracle_agree(config: ctm.MachineConfig, batch: int, extra: int) -> None:
    model = perturbed(config.build()).double().eval()
    oracle = ctm.literal.from_model(model)
    x = doubled(inputs_for(config, batch))
    ours, expected = (machine(x, ticks=config.ticks + extra, record=True) for machine in (model, oracle))
    assert ours.logits.shape == (batch, config.ticks + extra, *config.readout.shape)
    assert_same(ours.logits, expected.logits, "logits")
    assert_same(ours.certainty, expected.certainty, "certainty")
    assert_same(ours.record, expected.record, "record")
    assert_same(ours.state.core, expected.state.core, "state")
    weights = torch.randn_like(ours.logits)
    mine, theirs = gradients(model, ours, weights), gradients(model, expected, weights)
    assert mine.keys() == theirs.keys()
    for name in mine:
        assert_same(mine[name], theirs[name], f"gradient of {name}")


@given(config=machine_configs(dropout=st.sampled_from([0.0, 0.3])), batch=st.integers(2, 3), recomputes=st.booleans())
def test_machine_and_oracle_agree_in_training(config: ctm.MachineConfig, batch: int, recomputes: bool) -> None:
    """With the same random state they drop the same entries."""
    model = perturbed(config.build()).double().train()
    oracle = ctm.literal.from_model(copy.deepcopy(model) if recomputes else model)
    if recomputes:
        recompute(model)
    x = doubled(inputs_for(config, batch))
    results = []
    for machine, parameters in ((model, model), (oracle, oracle.model)):
        torch.manual_seed(1)
        thoughts = machine(x, record=True)
        results.append((thoughts, gradients(parameters, thoughts, torch.ones_like(thoughts.logits))))
    (ours, mine), (expected, theirs) = results
    assert_same(ours.logits, expected.logits, "logits")
    assert_same(ours.record, expected.record, "record")
    for name in mine:
        assert_same(mine[name], theirs[name], f"gradient of {name}")


@given(config=machine_configs(dropout=st.sampled_from([0.0, 0.3]), readout=readouts()))
def test_every_parameter_takes_part_in_a_pass_of_a_single_tick(config: ctm.MachineConfig) -> None:
    """A trainer over several processes waits for the gradients of all; those that change nothing are zero."""
    model = perturbed(config.build()).train()
    thoughts = model(inputs_for(config, 3), ticks=1)
    (thoughts.logits.sum() + thoughts.certainty.sum()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    if isinstance(model.action, ctm.Synchronization):
        assert not model.action.decay.grad.any()


@given(config=machine_configs(), ticks=st.integers(1, 4))
def test_pure_steps_are_a_forward_pass(config: ctm.MachineConfig, ticks: int) -> None:
    model = perturbed(config.build()).double().eval()
    x = doubled(inputs_for(config, 2))
    state, prepared = model.start(2), model.prepare(x)
    for _ in range(ticks):
        state, _ = model.step(state, prepared)
    assert_same(state, model(x, ticks=ticks).state, "state")


@given(config=machine_configs(readout=readouts()), first=st.integers(1, 4), then=st.integers(1, 4))
def test_thinking_can_be_continued(config: ctm.MachineConfig, first: int, then: int) -> None:
    model = perturbed(config.build()).double().eval()
    x = doubled(inputs_for(config, 2))
    whole = model(x, ticks=first + then)
    begun = model(x, ticks=first)
    resumed = model(x, ticks=then, state=begun.state)
    assert_same(torch.cat([begun.logits, resumed.logits], dim=1), whole.logits, "logits")
    assert_same(resumed.state, whole.state, "state")
    assert_same(ctm.literal.from_model(model)(x, ticks=then, state=begun.state).logits, resumed.logits, "oracle")


def test_oracle_shares_parameters() -> None:
    model = ctm.build("digits")
    oracle = ctm.literal.from_model(model)
    assert {id(p) for p in oracle.parameters()} == {id(p) for p in model.parameters()}


def test_a_wrong_machine_is_noticed() -> None:
    """The comparison can fail: one changed weight of a copy shows in the answers."""
    model = perturbed(ctm.build("parity/quick")).eval()
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.core.models.layers[0].bias[0] += 1.0
    x = torch.ones(2, 9)
    assert not torch.allclose(model(x).logits, ctm.literal.from_model(other)(x).logits, atol=1e-4)


@given(config=machine_configs(), batch=st.integers(1, 3))
def test_the_loss_is_that_of_listing_4(config: ctm.MachineConfig, batch: int) -> None:
    model = perturbed(config.build()).double().eval()
    thoughts = model(doubled(inputs_for(config, batch)))
    *answer, classes = config.readout.shape
    targets = torch.randint(classes, (batch, *answer))
    ours = ctm.two_tick_loss(ctm.cross_entropy_over_ticks(thoughts.logits, targets), thoughts.certainty)
    expected = ctm.literal.loss(thoughts, targets)
    assert_same(ours, expected, "loss")
    (mine,) = torch.autograd.grad(ours, thoughts.logits, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected, thoughts.logits)
    assert_same(mine, theirs, "gradient")


def large(name: str) -> ctm.MachineConfig:
    """A machine of the paper, small, but with products that go through oneDNN and weights that are joined."""
    config = model_config(name)
    core = config.core.replace(neurons=256, memory=8)
    embedding = config.observer.replace(embedding=128, heads=4)
    return config.replace(core=core, observer=embedding, ticks=12)


@pytest.mark.parametrize("recomputes", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(
    ("name", "shape"), [("parity/paper-75", (64,)), ("mazes/paper", (3, 15, 15)), ("cifar10/paper", (3, 8, 8))]
)
def test_large_machines_agree_in_single_precision(name: str, shape: tuple[int, ...], dropout: bool, recomputes: bool):
    """To 1e-5 of the largest entry: outputs, and every gradient, by way of a weighted sum over all answers. A gradient
    much smaller than the largest of all, such as a temperature's, is a sum of large terms that cancel."""
    torch.manual_seed(0)
    oracle = ctm.literal.from_model(perturbed(large(name).build()).train(dropout))
    model = copy.deepcopy(oracle.model)
    if recomputes:
        recompute(model)
    x = torch.randn(6, *shape).sign()
    found = []
    for machine, parameters in ((model, model), (oracle, oracle.model)):
        torch.manual_seed(1)
        thoughts = machine(x)
        machine.zero_grad()
        (thoughts.logits * torch.linspace(-1, 1, thoughts.logits.numel()).view_as(thoughts.logits)).sum().backward()
        found.append((thoughts.logits, {name: p.grad for name, p in parameters.named_parameters()}))
    (ours, mine), (expected, theirs) = found
    assert (ours - expected).abs().max() < 1e-5 * expected.abs().max()
    largest = max(grad.abs().max() for grad in theirs.values())
    for name, grad in theirs.items():
        assert (mine[name] - grad).abs().max() < 1e-5 * max(grad.abs().max(), 0.1 * largest), name


def test_cores_and_synapses_of_ones_own_are_called_as_they_are() -> None:
    class Doubled(ctm.SynapseMLP):
        @dataclass(frozen=True)
        class Config(ctm.SynapseMLP.Config, kind="doubled"):
            def build(self, observed: int, neurons: int) -> nn.Module:
                return Doubled(self, observed, neurons)

        def prepare(self):
            connect = super().prepare()
            return lambda x: 2 * connect(x)

    class Slow(ctm.Core):
        @dataclass(frozen=True)
        class Config(ctm.CoreConfig, kind="slow"):
            def build(self, observed: int) -> ctm.Core:
                return Slow(observed, self.neurons)

        def __init__(self, observed: int, neurons: int) -> None:
            super().__init__()
            self.linear = nn.Linear(observed, neurons)

        def start(self, batch: int) -> MemorylessState:
            return MemorylessState(self.linear.bias.expand(batch, -1))

        def prepare(self, ticks: int) -> nn.Module:
            return self.linear

        def step(self, state: MemorylessState, observation: Tensor, prepared: nn.Module) -> MemorylessState:
            return MemorylessState((state.post_activations + prepared(observation)).tanh())

    model = ctm.preset("parity/quick").model
    for core in (model.core.replace(synapses=Doubled.Config()), Slow.Config(model.core.neurons)):
        machine = model.replace(core=core, ticks=3).build().double()
        signs = torch.ones(2, model.readout.answer[0], dtype=torch.float64)
        assert_same(machine(signs).logits, ctm.literal.from_model(machine)(signs).logits)
