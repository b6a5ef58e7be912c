"""A machine inside other programs, which treat it as any other module."""

import copy
import logging
import os
import pickle
import re
import threading
import warnings
from pathlib import Path

import jaxtyping
import pytest
import torch
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacrev, jvp, stack_module_state, vmap
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

import ctm
import several_processes
from ctm.inputs import tree_map
from machines import perturbed
from training.processes import free_port

PARITY = ctm.preset("parity/quick").model.replace(ticks=3, seed=0)
PAIRS = ctm.RandomPairs(8)
MODELS = {
    "neurons": PARITY.replace(core=PARITY.core.replace(neurons=12, memory=3)),
    "normalised": PARITY.replace(
        core=ctm.NeuronCore.Config(12, 3, ctm.SynapseUNet.Config(3, 4), ctm.NeuronModels.Config(2, layer_norm=True))
    ),
    "lstm": PARITY.replace(core=ctm.LSTMCore.Config(12, layers=2)),
    "synapses": PARITY.replace(core=ctm.SynapseCore.Config(12, ctm.SynapseMLP.Config())),
    "windowed": PARITY.replace(
        core=PARITY.core.replace(neurons=12, memory=3), output=ctm.WindowedSynchronization.Config(PAIRS, 2)
    ),
}
MODELS = {
    name: config.replace(
        action=ctm.Synchronization.Config(PAIRS),
        output=config.output if name == "windowed" else ctm.Synchronization.Config(PAIRS),
    )
    for name, config in MODELS.items()
}
SIGNS = torch.tensor([[1.0, -1, -1, 1, 1, 1, -1, 1, -1], [-1.0, -1, 1, 1, -1, 1, 1, 1, 1]]).double()


# what PyTorch itself does for forward derivatives
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:There is a performance drop because:UserWarning"),
]


@pytest.fixture(params=MODELS)
def model(request):
    return perturbed(MODELS[request.param].build()).double().eval()


@pytest.fixture
def neurons():
    return perturbed(MODELS["neurons"].build()).double().eval()


def loss_of(thoughts):
    return thoughts.logits.square().sum() + thoughts.certainty.sum()


def gradients(model, signs=SIGNS):
    return torch.autograd.grad(loss_of(model(signs)), list(model.parameters()), materialize_grads=True)


def as_function(model):
    """The loss of weights and signs."""
    return lambda weights, signs: loss_of(functional_call(model, weights, (signs,)))


def test_a_functional_call_uses_no_weight_of_its_own(model):
    other = perturbed(copy.deepcopy(model))
    weights = {name: weight.detach().requires_grad_() for name, weight in other.named_parameters()}
    model(SIGNS)  # had it kept something of its weights, that would be used now
    thoughts = functional_call(model, weights, (SIGNS,))
    assert torch.equal(thoughts.logits, other(SIGNS).logits)
    found = torch.autograd.grad(loss_of(thoughts), list(weights.values()), materialize_grads=True)
    torch.testing.assert_close(found, gradients(other))


def test_gradients_of_every_sample(model):
    weights = dict(model.named_parameters())
    found = vmap(grad(lambda weights, signs: as_function(model)(weights, signs.unsqueeze(0))), (None, 0))(
        weights, SIGNS
    )
    for sample in range(2):
        torch.testing.assert_close(
            [each[sample] for each in found.values()], list(gradients(model, SIGNS[sample, None]))
        )


def test_ensembles_of_weights(model):
    members = [perturbed(copy.deepcopy(model)) for _ in range(3)]
    for member, seed in zip(members, range(3), strict=True):  # pairs of their own, too
        for part in (member.action, member.output):
            part.left.copy_(torch.randint(12, (8,), generator=torch.Generator().manual_seed(seed)))
    stacked = stack_module_state(members)
    for switch in (torch.enable_grad, torch.no_grad):
        with switch():
            found = vmap(lambda *state: functional_call(model, state, (SIGNS,)).logits)(*stacked)
        torch.testing.assert_close(found, torch.stack([member(SIGNS).logits for member in members]))


def test_jacobians_forward_derivatives_and_hessians(model):
    """Each against the backward pass, or the backward pass of it."""
    name = "readout.linear.bias" if not hasattr(model.core, "start_post_activations") else "core.start_post_activations"
    weight, others = model.get_parameter(name), dict(model.named_parameters())

    def loss(value):
        return as_function(model)({**others, name: value}, SIGNS)

    (first,) = torch.autograd.grad(loss(weight), weight, create_graph=True)
    second = torch.stack([torch.autograd.grad(each, weight, retain_graph=True)[0] for each in first])
    torch.testing.assert_close(jacrev(loss)(weight), first)
    torch.testing.assert_close(hessian(loss)(weight), second)
    direction = torch.linspace(-1, 1, weight.numel()).double()
    torch.testing.assert_close(jvp(loss, (weight,), (direction,))[1], first @ direction)
    with forward_ad.dual_level():
        tangent = forward_ad.unpack_dual(loss(forward_ad.make_dual(weight.detach(), direction))).tangent
    torch.testing.assert_close(tangent, first @ direction)


def test_decays_out_of_bounds_learn_inside_transforms_too(neurons):
    with torch.no_grad():
        neurons.output.decay[:4] = -0.1
        neurons.action.decay[:4] = 15.1
    weights = dict(neurons.named_parameters())
    found = grad(as_function(neurons))(weights, SIGNS)
    torch.testing.assert_close(list(found.values()), list(gradients(neurons)))
    name, ones = "output.decay", torch.ones(8).double()
    _, tangent = jvp(lambda value: as_function(neurons)({**weights, name: value}, SIGNS), (weights[name],), (ones,))
    inside = torch.where(weights[name] < 0, 0.0, found[name]).sum()  # the loss itself is flat below 0
    torch.testing.assert_close(tangent, inside)


def test_second_derivatives_are_those_of_the_oracle(model):
    """A penalty on the gradients of all parameters."""
    oracle, parameters = ctm.literal.from_model(model), list(model.parameters())
    found = []
    for each in (model, oracle):
        first = torch.autograd.grad(loss_of(each(SIGNS)), parameters, create_graph=True, materialize_grads=True)
        found.append(
            torch.autograd.grad(sum(part.square().sum() for part in first), parameters, materialize_grads=True)
        )
    torch.testing.assert_close(*found, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("materialise", ["copy", "assign"])
@pytest.mark.parametrize("name", [*MODELS, "digits", "qamnist/quick"])
def test_a_machine_made_without_memory_is_whole_once_it_has_weights(name, materialise):
    config = MODELS[name] if name in MODELS else ctm.preset(name).model
    config = config.replace(ticks=2)
    model = perturbed(config.build()).eval()
    with torch.device("meta"):
        other = config.build().eval()
    if materialise == "copy":
        other.to_empty(device="cpu")
        for buffer in other.buffers():
            buffer.fill_(7)  # what was in that memory
    other.load_state_dict(model.state_dict(), assign=materialise == "assign")
    x = torch.randn(2, 1, 8, 8) if name == "digits" else SIGNS.float()
    x = (torch.randn(2, 2, 1, 8, 8), torch.tensor([[0, -1, 1]] * 2)) if name == "qamnist/quick" else x
    assert torch.equal(other(x).logits, model(x).logits)


def test_averages_of_weights(model):
    for use_buffers in (True, False):
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=use_buffers)
        average.update_parameters(model)
        other = perturbed(copy.deepcopy(model))
        average.update_parameters(other)
        expected = copy.deepcopy(model)
        with torch.no_grad():
            for mine, first, second in zip(*(each.parameters() for each in (expected, model, other)), strict=True):
                mine.copy_((first + second) / 2)
        torch.testing.assert_close(average(SIGNS).logits, expected(SIGNS).logits)


def test_another_process_answers_the_same(neurons):
    neurons(SIGNS).logits.sum().backward()
    pickle.loads(pickle.dumps(neurons))
    neurons.zero_grad()
    context = torch.multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=several_processes.answer, args=(neurons.share_memory(), SIGNS, answers))
    process.start()
    assert answers.get() == neurons(SIGNS).logits.tolist()
    process.join()
    assert process.exitcode == 0


def test_two_processes_by_hand():
    """DistributedDataParallel and fully_shard, each twice without a step in between."""
    torch.multiprocessing.start_processes(several_processes.compute, (free_port(),), 2, start_method="forkserver")


def test_threads_do_not_see_each_others_interventions_and_records(neurons):
    expected, found = neurons(SIGNS).logits, {}

    def think():
        with torch.no_grad():
            found["logits"] = neurons(SIGNS).logits
            found["answers"] = ctm.think(neurons, SIGNS, until=0.9).answers

    with neurons.intervene(neurons=[1, 2], value=torch.zeros(2, 2).double()):
        assert not torch.equal(neurons(SIGNS, record=True).logits, expected)
        thread = threading.Thread(target=think)
        thread.start()
        thread.join()
    assert torch.equal(found["logits"], expected)
    assert found["answers"].shape == (2, 9, 2)


def test_pruned_and_normalised_weights_are_those_that_ticks_use(neurons):
    layer = neurons.core.synapses[1]
    prune.random_unstructured(layer, "weight", 0.5)
    with torch.no_grad():
        layer.weight_orig.mul_(2)  # as an optimiser would
    expected = MODELS["neurons"].build().double().eval()
    weights = neurons.state_dict()
    weights["core.synapses.1.weight"] = weights.pop("core.synapses.1.weight_orig") * weights.pop(
        "core.synapses.1.weight_mask"
    )
    expected.load_state_dict(weights)
    for _ in range(2):
        torch.testing.assert_close(neurons(SIGNS).logits, expected(SIGNS).logits)
        loss_of(neurons(SIGNS)).backward()
    assert (layer.weight_orig.grad == 0).sum() >= (layer.weight_mask == 0).sum() > 0


@pytest.mark.parametrize("way", [parametrizations.weight_norm, parametrizations.orthogonal])
def test_parametrised_weights(neurons, way):
    layer = way(neurons.core.synapses[1])
    loss_of(neurons(SIGNS)).backward()
    assert all(parameter.grad is not None for parameter in layer.parametrizations.parameters())
    expected = MODELS["neurons"].build().double().eval()
    weights = {name: weight for name, weight in neurons.state_dict().items() if "parametrizations" not in name}
    expected.load_state_dict({**weights, "core.synapses.1.weight": layer.weight.detach()})
    torch.testing.assert_close(neurons(SIGNS).logits, expected(SIGNS).logits)


def test_recomputing_the_whole_machine(model):
    found = loss_of(checkpoint(model, SIGNS, use_reentrant=False))
    found = torch.autograd.grad(found, list(model.parameters()), materialize_grads=True)
    torch.testing.assert_close(found, gradients(model))


def test_frozen_parts_and_accumulated_gradients(model):
    expected = dict(zip(dict(model.named_parameters()), gradients(model), strict=True))
    model.core.requires_grad_(False)
    for _ in range(2):
        loss_of(model(SIGNS)).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == name.startswith("core.")
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, 2 * expected[name])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_precisions(model, dtype):
    expected, names = model(SIGNS).logits, [name for name, _ in model.named_parameters()]
    thoughts = model.to(dtype)(SIGNS.to(dtype))
    assert thoughts.logits.dtype == dtype
    torch.testing.assert_close(thoughts.logits.double(), expected, atol=0.1, rtol=0.1)
    assert [name for name, _ in model.named_parameters()] == names


def test_switches_of_pytorch_around_it(model):
    expected = model(SIGNS).logits
    with torch.inference_mode():
        assert model(SIGNS).logits.is_inference()
        torch.testing.assert_close(model(SIGNS).logits, expected)
    with torch.no_grad():
        assert not model(SIGNS).logits.requires_grad
        torch.testing.assert_close(model(SIGNS).logits, expected)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(model.float()(SIGNS.float()).logits.double(), expected, atol=0.1, rtol=0.1)


def test_agents_inside_transforms():
    agent = perturbed(ctm.Agent(ctm.preset("cartpole/quick").model.replace(ticks=2).build())).double().eval()
    weights, state = dict(agent.named_parameters()), tree_map(torch.Tensor.detach, agent.initial_state(2))
    observation = torch.randn(2, 4).double()

    def value(weights, observation):
        return functional_call(agent, weights, (observation, state))[1].sum()

    found = grad(value)(weights, observation)
    wanted = torch.autograd.grad(value(weights, observation), list(weights.values()), materialize_grads=True)
    torch.testing.assert_close(list(found.values()), list(wanted))


def settings():
    """What the process as a whole has set."""
    return {
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "backends": (torch.backends.mkldnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.enabled),
        "handlers": (logging.root.level, *logging.root.handlers),
        "filters": tuple(warnings.filters),
        "environment": dict(os.environ),
    }


def test_nothing_is_printed_and_nothing_of_the_process_is_changed(capfd):
    before = settings()
    model = ctm.build("digits")
    images = torch.randn(4, 1, 8, 8)
    model.eval()
    random = torch.get_rng_state()
    loss_of(model(images, record=True)).backward()
    ctm.think(model, images, until=0.9)
    ctm.Stream(model, 4).observe(images)
    assert torch.equal(torch.get_rng_state(), random)
    assert settings() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore")  # of torch.jit itself
def test_traces_give_what_they_are_asked_for(neurons, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # in traces sizes are tensors

    class Logits(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, signs):
            return self.model(signs).logits

    traced = torch.jit.trace(Logits(neurons), (SIGNS,))
    torch.testing.assert_close(traced(-SIGNS), neurons(-SIGNS).logits)


def test_the_code_of_the_documentation_runs():
    document = (Path(__file__).parents[1] / "docs" / "embedding.md").read_text(encoding="utf-8")
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", document, re.DOTALL):
        exec(block, names)
    assert names["per_sample"]["readout.linear.bias"].shape == (8, 10)
    assert names["together"].shape == (3, 8, 15, 10)
    assert names["penalty"].isfinite()
    assert torch.equal(names["other"](names["images"]).logits, names["model"](names["images"]).logits)
