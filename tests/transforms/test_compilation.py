"""A compiled tick: the numbers and gradients of the oracle, and no other graph where none is needed."""

import copy
import pickle
import subprocess
import sys

import jaxtyping
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import ctm
from control.agents import cartpole
from ctm.inputs import tree_map
from ctm.training import Run, RunError, train
from ctm.transforms.compilation import compile_tick
from ctm.transforms.recomputation import recompute
from machines import doubled, inputs_for, perturbed
from training.experiments import parity

SYNCHRONIZATION = ctm.Synchronization.Config(ctm.SemiDense(4))
LOOKING = {
    "backbone": ctm.TokenEmbedding.Config(8),
    "observer": ctm.CrossAttention.Config(8, 2, ctm.RotationalPositions.Config(1)),
}
MACHINES = {
    "mlp": LOOKING
    | {
        "core": ctm.NeuronCore.Config(
            12, 3, ctm.SynapseMLP.Config(blocks=2), ctm.NeuronModels.Config(4, layer_norm=True)
        ),
        "action": SYNCHRONIZATION,
    },
    "unet": {
        "backbone": ctm.PerFrame.Config(ctm.ConvNet.Config((6,), (True,))),
        "observer": ctm.Scheduled.Config(ctm.CrossAttention.Config(8, 2, ctm.NoPositions())),
        "core": ctm.NeuronCore.Config(
            12, 3, ctm.SynapseUNet.Config(levels=3, bottleneck=4), ctm.NeuronModels.Config(None)
        ),
        "action": SYNCHRONIZATION,
    },
    "lstm": LOOKING
    | {
        "core": ctm.LSTMCore.Config(12, layers=2),
        "action": ctm.Snapshot.Config(),
        "output": ctm.Snapshot.Config(),
    },
    "direct": {
        "backbone": ctm.Identity.Config(channels=6, dimensions=0),
        "observer": ctm.Direct.Config(),
        "core": ctm.SynapseCore.Config(12, ctm.SynapseMLP.Config()),
    },
}


@pytest.fixture(autouse=True)
def _traceable(monkeypatch):
    """Shapes in annotations are not checked, which cannot be compiled; every test compiles anew."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    torch._dynamo.reset()


def machine(parts) -> ctm.ContinuousThoughtMachine:
    config = ctm.MachineConfig(
        **{"ticks": 4, "output": SYNCHRONIZATION, "readout": ctm.ClassReadout.Config(3), **parts}
    )
    return perturbed(config.build()).double()


def compiled(model) -> CompileCounterWithBackend:
    counter = CompileCounterWithBackend("aot_eager")
    compile_tick(model, counter)
    return counter


def learned(model, parameters, inputs, ticks):
    """Logits, and the gradients of a sum over them and their certainty; zeros where a parameter has none."""
    parameters = list(parameters)
    torch.manual_seed(0)
    thoughts = model(inputs, ticks=ticks)
    loss = thoughts.logits.square().sum() + thoughts.certainty.sum()
    return thoughts.logits.detach(), torch.autograd.grad(loss, parameters, materialize_grads=True)


@pytest.mark.parametrize("name", MACHINES)
def test_one_graph_learns_what_the_oracle_does(name):
    """The same for all passes, batches and numbers of ticks; another one where no gradients are asked for."""
    model = machine(MACHINES[name])
    oracle = ctm.literal.from_model(copy.deepcopy(model))
    counter = compiled(model)
    for batch, ticks in ((4, 7), (4, 7), (4, 9), (6, 8)):
        inputs = doubled(inputs_for(model.config, batch))
        found = learned(model, model.parameters(), inputs, ticks)
        torch.testing.assert_close(found, learned(oracle, oracle.model.parameters(), inputs, ticks))
        assert counter.frame_count == 1
    model.eval()
    oracle.model.eval()
    with torch.no_grad():
        for batch, ticks in ((4, 7), (6, 8)):
            inputs = doubled(inputs_for(model.config, batch))
            torch.testing.assert_close(model(inputs, ticks=ticks).logits, oracle(inputs, ticks=ticks).logits)
            assert counter.frame_count == 2


def test_single_samples_and_samples_that_leave():
    model = machine(MACHINES["mlp"])
    expected, counter = copy.deepcopy(model), compiled(model)
    inputs = doubled(inputs_for(model.config, 20))
    for ticks in (1, 2):
        found, wanted = (learned(each, each.parameters(), inputs[:1], ticks) for each in (model, expected))
        torch.testing.assert_close(found, wanted)
        assert counter.frame_count == 1
    for batch in (5, 7, 5):
        found, wanted = (ctm.think(each, inputs, 0.05, batch=batch) for each in (model, expected))
        torch.testing.assert_close(found, wanted)
    assert counter.frame_count <= 4


def test_what_is_compiled_can_be_computed_again():
    model = machine(MACHINES["mlp"])
    expected = copy.deepcopy(model)
    recompute(model)
    counter = compiled(model)
    inputs = doubled(inputs_for(model.config, 4))
    for ticks in (3, 5):
        found, wanted = (learned(each, each.parameters(), inputs, ticks) for each in (model, expected))
        torch.testing.assert_close(found, wanted)
    assert counter.frame_count == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_computes_with_its_own_weights(copied):
    """And as the model does: compiled, and again for the backward pass."""
    model = machine(MACHINES["mlp"])
    names = list(model.state_dict())
    recompute(model)
    compile_tick(model, "aot_eager")
    inputs = doubled(inputs_for(model.config, 4))
    model(inputs)  # compiled before it is copied
    other = copied(model)
    perturbed(other)
    assert list(other.state_dict()) == names
    expected = model.config.build().double()
    expected.load_state_dict(other.state_dict())
    found, wanted = (learned(each, each.parameters(), inputs, 3) for each in (other, expected))
    torch.testing.assert_close(found, wanted)
    assert other.step.tick.__self__ is other
    assert other.step._compiled is not None
    assert other.observer.step.args[0].__self__ is other.observer
    assert other.core.synapses.prepare.args[0].__self__ is other.core.synapses


def test_inside_an_intervention_the_tick_is_not_compiled():
    model = machine(MACHINES["mlp"]).eval()
    inputs = doubled(inputs_for(model.config, 2))
    with torch.no_grad(), model.intervene(tick=1, neurons=[1, 2], value=0.5):
        expected = model(inputs, ticks=3).logits
    counter = compiled(model)
    with torch.no_grad(), model.intervene(tick=1, neurons=[1, 2], value=0.5):
        assert torch.equal(model(inputs, ticks=3).logits, expected)
    assert counter.frame_count == 0


def test_many_models_in_one_process():
    for neurons in range(12, 22):  # more graphs than PyTorch allows by itself
        model = machine(MACHINES["direct"] | {"core": ctm.SynapseCore.Config(neurons, ctm.SynapseMLP.Config())})
        compile_tick(model, "eager")
        inputs = doubled(inputs_for(model.config, 4))
        expected = ctm.literal.from_model(model)(inputs).logits
        torch.testing.assert_close(model(inputs).logits, expected)


def test_dropout_drops():
    """Which entries are dropped depends on the backend; that some are, and others at every pass, does not."""
    models = ctm.NeuronModels.Config(4, dropout=0.3)
    core = ctm.NeuronCore.Config(12, 3, ctm.SynapseMLP.Config(dropout=0.3), models)
    model = machine({**MACHINES["mlp"], "core": core})
    counter = compiled(model)
    inputs = doubled(inputs_for(model.config, 4))
    first, second = (model(inputs).logits for _ in range(2))
    assert not torch.allclose(first, second)
    first, again = (learned(model, model.parameters(), inputs, 4) for _ in range(2))
    torch.testing.assert_close(first, again)
    assert counter.frame_count == 1


def test_continuing_takes_the_same_graph():
    model = machine(MACHINES["lstm"])
    counter = compiled(model)
    inputs = doubled(inputs_for(model.config, 4))
    whole, begun = model(inputs, ticks=5), model(inputs, ticks=2)
    before = tree_map(torch.clone, begun.state)
    resumed = model(inputs, ticks=3, state=begun.state)
    torch.testing.assert_close(resumed.logits, whole.logits[:, 2:])
    torch.testing.assert_close(begun.state, before)
    assert counter.frame_count == 1


def test_without_a_compiler_it_says_what_is_missing():
    model = machine(MACHINES["direct"])
    compile_tick(model)
    with (
        torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}),
        pytest.raises(RunError, match=r"^training.compile: the tick cannot be compiled here: .*a C\+\+ compiler"),
    ):
        model(doubled(inputs_for(model.config, 4)))


@pytest.mark.parametrize(("experiment", "iterations"), [(parity, 4), (cartpole, 2)])
def test_a_run_with_a_compiled_tick_learns_the_same(tmp_path, monkeypatch, experiment, iterations):
    monkeypatch.setattr("ctm.training.trainer.compile_tick", lambda model: compile_tick(model, "aot_eager"))
    runs = [
        Run.create(tmp_path / str(choice), experiment(iterations=iterations, compile=choice))
        for choice in (True, False)
    ]
    for run in runs:
        train(run, quiet=True)
    for line, expected in zip(*(run.metrics() for run in runs), strict=True):
        assert line.get("loss") == pytest.approx(expected.get("loss"), abs=1e-5)
    assert run.load_model().state_dict().keys() == runs[0].load_model().state_dict().keys()


def test_inductor_learns_the_same():
    model = machine(MACHINES["direct"])
    expected, inputs = copy.deepcopy(model), doubled(inputs_for(model.config, 4))
    compile_tick(model)
    found, wanted = (learned(each, each.parameters(), inputs, 3) for each in (model, expected))
    torch.testing.assert_close(found, wanted)


def test_a_whole_machine_compiles_into_one_graph():
    """For all passes of as many ticks, and one more for other batch sizes; in a process that checks no annotation."""
    program = """
import torch, ctm
from torch._dynamo.testing import CompileCounterWithBackend
model = ctm.preset("parity/quick").model.replace(ticks=2).build()
counter = CompileCounterWithBackend("eager")
whole = torch.compile(model, backend=counter, fullgraph=True)
for batch in (4, 4, 6, 7):
    signs = torch.randint(2, (batch, 9)) * 2.0 - 1
    found, wanted = (each(signs).logits for each in (whole, model))
    torch.testing.assert_close(found, wanted)
    weights = list(model.parameters())
    torch.testing.assert_close(*(torch.autograd.grad(each.square().sum(), weights) for each in (found, wanted)))
    print(counter.frame_count)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1", "1", "2", "2"], done.stderr
