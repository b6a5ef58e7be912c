import copy
import io
import pickle
import re
import subprocess
import sys
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils import _pytree as pytree

import ctm
from ctm import ConfigError
from ctm.baselines import feed_forward
from ctm.inputs import slice_batch
from ctm.registry import model_config
from machines import doubled, inputs_for, machine_configs, perturbed, readouts, shows_in_turn

SIGNS = torch.tensor([[1.0, -1, -1, 1, 1, 1, -1, 1, -1], [-1.0, -1, 1, 1, -1, 1, 1, 1, 1]])


@pytest.fixture
def model():
    return perturbed(ctm.build("parity/quick")).eval()


def leaves(state) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(state) if leaf is not None]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("parity/paper-1", 4_908_706),
        ("parity/paper-10", 5_043_874),
        ("parity/paper-25", 5_212_834),
        ("parity/paper-50", 5_719_714),
        ("parity/paper-75", 5_719_714),
        ("parity/paper-100", 6_564_514),
        ("mazes/paper", 31_998_330),
        ("mazes/15", 8_967_160),
        ("imagenet/paper", 185_989_886),
        ("cifar10/paper", 1_032_648),
        ("qamnist/paper-1", 2_501_388),
        ("qamnist/paper-10", 3_413_772),
        ("qamnist/lstm-1", 2_507_218),
        ("qamnist/lstm-10", 3_418_954),
    ],
)
def test_published_numbers_of_parameters(name, count):
    with torch.device("meta"):
        model = model_config(name).build()
    assert sum(parameter.numel() for parameter in model.parameters()) == count


def test_published_shapes_of_answers():
    """The logits of the paper: (B, T, 64, 2) for parity, (B, T, 100, 5) for mazes, (B, T, 1000) for ImageNet."""
    for name, shape in (("parity/paper-75", (64, 2)), ("mazes/paper", (100, 5)), ("imagenet/paper", (1000,))):
        readout = model_config(name).readout
        assert (*readout.answer, readout.classes) == shape


@given(config=machine_configs(readout=readouts()), batch=st.integers(1, 3), ticks=st.integers(1, 4))
def test_shapes_of_thoughts_and_records(config, batch, ticks):
    model = config.build().eval()
    thoughts = model(inputs_for(config, batch), ticks=ticks, record=True)
    neurons, record = config.core.neurons, thoughts.recorded
    assert thoughts.ticks == ticks
    assert thoughts.logits.shape == (batch, ticks, *config.readout.shape)
    assert thoughts.certainty.shape == (batch, ticks)
    assert torch.equal(thoughts.certainty, model.readout.certainty(thoughts.logits))
    assert record.post_activations.shape == (batch, ticks, neurons)
    assert (record.pre_activations is None) == (not isinstance(config.core, ctm.NeuronCore.Config))
    assert record.pre_activations is None or record.pre_activations.shape == (batch, ticks, neurons)
    assert record.output.shape[1:] == (ticks, config.output.size(neurons))
    assert len(record.grid) == config.backbone.dimensions
    if config.observer.uses_query:
        tokens = torch.Size(record.grid).numel()
        assert record.action.shape[1:] == (ticks, config.action.size(neurons))
        heads = (config.observer.look if shows_in_turn(config) else config.observer).heads
        assert record.attention.shape == (batch, ticks, heads, tokens)
        looks = torch.arange(ticks) < (2 * config.observer.repeats if shows_in_turn(config) else ticks)
        torch.testing.assert_close(record.attention.sum(-1), looks.float()[:, None].expand_as(record.attention[..., 0]))
    else:
        assert record.action is None
        assert record.attention is None


@given(config=machine_configs())
def test_records_change_nothing_and_agree_with_the_answers(config):
    model, x = config.build().eval(), inputs_for(config, 2)
    with torch.no_grad():
        plain, recorded = model(x), model(x, record=True)
    assert plain.record is None
    assert torch.equal(plain.logits, recorded.logits)
    torch.testing.assert_close(model.readout(recorded.record.output), recorded.logits)
    assert torch.equal(recorded.record.post_activations[:, -1], recorded.state.core.post_activations)
    if isinstance(config.core, ctm.NeuronCore.Config):
        assert torch.equal(recorded.record.pre_activations[:, -1], recorded.state.core.history[..., -1])


@given(config=machine_configs())
def test_by_default_as_many_ticks_as_configured(config):
    thoughts = config.build()(inputs_for(config, 1))
    assert thoughts.shown == (5 * config.observer.repeats if shows_in_turn(config) else 0)
    assert thoughts.ticks == thoughts.shown + config.ticks
    assert thoughts.due.ticks == config.ticks
    assert torch.equal(thoughts.due.certainty, thoughts.certainty[:, -config.ticks :])


@pytest.mark.parametrize("ticks", [0, -1])
def test_no_ticks_at_all(model, ticks):
    with pytest.raises(ValueError, match=f"ticks = {ticks}: expected at least 1"):
        model(SIGNS, ticks=ticks)


def test_longer_thinking_begins_alike(model):
    short, long = model(SIGNS, ticks=3), model(SIGNS, ticks=8)
    torch.testing.assert_close(short.logits, long.logits[:, :3])


@given(config=machine_configs(), ticks=st.integers(1, 3))
def test_the_state_is_a_tree_of_tensors(config, ticks):
    model, x = config.build().eval(), inputs_for(config, 2)
    state = model(x, ticks=ticks).state
    assert all(isinstance(leaf, Tensor) for leaf in leaves(state))
    assert all(len(leaf) in (1, 2) for leaf in leaves(state))
    detached = pytree.tree_map_only(Tensor, torch.clone, state)
    assert type(detached) is ctm.State
    assert torch.equal(model(x, ticks=1, state=detached).logits, model(x, ticks=1, state=state).logits)


def test_a_state_is_not_changed_by_going_on(model):
    with torch.no_grad():
        state = model(SIGNS, ticks=2).state
        before = [leaf.clone() for leaf in leaves(state)]
        first = model(SIGNS, ticks=3, state=state).logits
        again = model(SIGNS, ticks=3, state=state).logits
    assert torch.equal(first, again)
    assert all(torch.equal(a, b) for a, b in zip(before, leaves(state), strict=True))


@given(config=machine_configs())
def test_thinking_changes_no_parameter_and_no_buffer(config):
    model = perturbed(config.build()).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("decay"):
                parameter.sub_(0.5)  # some are out of bounds
    before = copy.deepcopy(model.state_dict())
    model(inputs_for(config, 2), record=True).logits.sum().backward()
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@given(config=machine_configs(), batch=st.integers(2, 4))
def test_samples_are_thought_about_one_by_one(config, batch):
    model, x = perturbed(config.build()).double().eval(), doubled(inputs_for(config, batch))
    together = model(x)
    for sample in range(batch):
        alone = model(slice_batch(x, sample, sample + 1))
        torch.testing.assert_close(alone.logits[0], together.logits[sample], atol=1e-10, rtol=0)
        torch.testing.assert_close(alone.certainty[0], together.certainty[sample], atol=1e-10, rtol=0)


@given(config=machine_configs(dropout=st.just(0.5)))
def test_evaluation_drops_nothing(config):
    model, x = config.build().eval(), inputs_for(config, 2)
    assert torch.equal(model(x).logits, model(x).logits)


def test_training_drops_something():
    config = model_config("parity/quick")
    for changed in (
        config.replace(core=config.core.replace(synapses=ctm.SynapseMLP.Config(dropout=0.5))),
        config.replace(core=config.core.replace(models=ctm.NeuronModels.Config(hidden=8, dropout=0.5))),
        config.replace(observer=config.observer.replace(dropout=0.5)),
    ):
        model = changed.build()
        assert not torch.equal(model(SIGNS).logits, model(SIGNS).logits)


@given(config=machine_configs())
def test_every_parameter_is_used(config):
    model = perturbed(config.build())
    inputs = inputs_for(config, 4)
    thoughts = model(inputs, ticks=model.observer.shown(inputs) + max(3, config.ticks))
    (thoughts.logits * torch.randn_like(thoughts.logits)).sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is None} == set()


def test_machines_can_be_pickled_and_copied(model):
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.config == model.config
        assert torch.equal(other(SIGNS).logits, model(SIGNS).logits)
        with torch.no_grad():
            next(other.parameters()).add_(1)
        assert not torch.equal(next(other.parameters()), next(model.parameters()))


def test_a_machine_that_has_thought_can_be_pickled_and_copied(model):
    model(SIGNS, record=True).logits.sum().backward()
    assert torch.equal(pickle.loads(pickle.dumps(model))(SIGNS).logits, copy.deepcopy(model)(SIGNS).logits)


def test_weights_travel_by_state_dict(model):
    stream = io.BytesIO()
    torch.save(model.state_dict(), stream)
    stream.seek(0)
    other = model_config("parity/quick").replace(seed=5).build().eval()  # other pairs, which are loaded too
    assert not torch.allclose(other(SIGNS).logits, model(SIGNS).logits)
    other.load_state_dict(torch.load(stream, weights_only=True))
    assert torch.equal(other(SIGNS).logits, model(SIGNS).logits)


def test_double_precision(model):
    single = model(SIGNS)
    double = model.double()(SIGNS.double())
    numbers = [t for t in (double.logits, double.certainty, *leaves(double.state)) if t.is_floating_point()]
    assert {t.dtype for t in numbers} == {torch.float64}
    torch.testing.assert_close(double.logits.float(), single.logits, atol=1e-4, rtol=1e-4)


def test_mixed_precision(model):
    exact = model(SIGNS)
    with torch.autocast("cpu", torch.bfloat16):
        thoughts = model(SIGNS)
        (thoughts.logits.float().square().mean() + thoughts.certainty.mean()).backward()
    assert thoughts.logits.dtype == torch.bfloat16
    assert thoughts.certainty.dtype == torch.float32
    torch.testing.assert_close(thoughts.logits.float(), exact.logits, atol=0.2, rtol=0.1)
    assert all(parameter.grad.dtype == torch.float32 for parameter in model.parameters() if parameter.grad is not None)


def test_the_seed_gives_the_weights_and_the_global_state_stays():
    before = torch.random.get_rng_state()
    first, again, other = ctm.build("digits"), ctm.build("digits", seed=0), ctm.build("digits", seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(123)
    later = ctm.build("digits")
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
        assert torch.equal(weight, later.state_dict()[name])
    assert not torch.equal(first.readout.linear.weight, other.readout.linear.weight)


def test_pairs_follow_the_random_state_unless_they_have_a_seed_of_their_own():
    config = model_config("parity/quick")

    def pairs(state: int, seed: int | None = None) -> list[list[int]]:
        torch.manual_seed(state)
        model = config.replace(seed=seed).build()
        return [part.left.tolist() for part in (model.action, model.output)]

    action, output = pairs(1)
    assert action != output
    assert pairs(1) == [action, output]
    assert all(mine != other for mine, other in zip([action, output], pairs(2), strict=True))
    assert pairs(1, seed=5) == pairs(2, seed=5) != pairs(2, seed=6)


def test_fresh_start_states_are_small():
    core = ctm.build("parity/paper-10").core
    for parameter, bound in ((core.start_post_activations, 1024**-0.5), (core.start_history, 1029**-0.5)):
        assert 0.98 * bound < parameter.abs().max() <= bound


def test_the_start_is_the_same_for_all_samples(model):
    state = model.start(3)
    assert state.core.post_activations.shape == (3, 128)
    assert torch.equal(state.core.post_activations[0], model.core.start_post_activations)
    assert torch.equal(state.core.history[2], model.core.start_history)


def test_histories_keep_the_newest_pre_activations(model):
    memory = model.config.core.memory
    thoughts = model(SIGNS, ticks=memory + 2, record=True)
    assert torch.equal(thoughts.state.core.history, thoughts.record.pre_activations[:, -memory:].transpose(1, 2))
    shorter = model(SIGNS, ticks=2).state.core.history
    assert torch.equal(shorter[:, :, : memory - 2], model.core.start_history[:, 2:].expand(2, -1, -1))


def test_threads_may_share_a_machine(model):
    expected, found = model(SIGNS).logits, {}

    def think(number):
        with torch.no_grad():
            found[number] = [model(SIGNS).logits for _ in range(5)]

    threads = [threading.Thread(target=think, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(logits, expected) for number in range(3) for logits in found[number])


PLAIN = model_config("parity/quick")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ticks": 0}, "ticks = 0: expected at least 1"),
        ({"action": ctm.NoRepresentation.Config()}, r"action = .*: expected a representation to form queries from"),
        (
            {"observer": ctm.Direct.Config(), "backbone": ctm.Identity.Config(4, 0)},
            "action = .*: expected none, since the observer 'direct' takes no query",
        ),
        (
            {"observer": PLAIN.observer.replace(positions=ctm.RotationalPositions.Config(2))},
            "positions = .*: expected an embedding for the 1-dimensional features of this backbone",
        ),
        (
            {
                "action": ctm.Synchronization.Config(ctm.Dense(100)),
                "output": ctm.Synchronization.Config(ctm.Dense(29)),
            },
            r"core\.neurons = 128: expected at least 129, since dense action and output pairings must not share",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        PLAIN.replace(**changes)


def test_dense_pairings_may_fill_all_neurons():
    dense = {"action": ctm.Synchronization.Config(ctm.Dense(100)), "output": ctm.Synchronization.Config(ctm.Dense(28))}
    model = PLAIN.replace(**dense).build()
    assert (model.action.left.min().item(), model.output.left.max().item()) == (28, 27)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"neurons": 0}, "neurons = 0: expected at least 1"), ({"memory": 0}, "memory = 0: expected at least 1")],
)
def test_impossible_cores_are_refused(fields, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        PLAIN.core.replace(**fields)


def test_readouts_give_structured_logits():
    readout = ctm.ClassReadout.Config(classes=5, answer=(2, 3)).build(7)
    x = torch.randn(4, 6, 7)
    assert readout(x).shape == (4, 6, 2, 3, 5)
    torch.testing.assert_close(readout(x)[1, 2, 1, 0], readout.linear(x[1, 2])[15:20])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": 1}, "classes = 1: expected at least 2"),
        ({"classes": 2, "answer": (3, 0)}, r"answer = \(3, 0\): expected sizes of at least 1"),
    ],
)
def test_impossible_answers_are_refused(fields, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        ctm.ClassReadout.Config(**fields)


def test_a_state_of_other_samples_is_refused():
    model = ctm.build("parity/quick").eval()
    thoughts = model(torch.ones(3, 9), ticks=1)
    with pytest.raises(ValueError, match="state of 3 samples: expected 2"):
        model(torch.ones(2, 9), state=thoughts.state)


def with_given(channels, dimensions):
    model = ctm.preset("sort/quick" if dimensions == 0 else "digits").model
    observer = ctm.CrossAttention.Config(8, 2) if dimensions else model.observer
    return model.replace(backbone=ctm.Identity.Config(channels, dimensions), observer=observer).build()


@pytest.mark.parametrize(
    ("channels", "dimensions", "shape"),
    [
        (6, 2, (2, 5, 3, 3)),
        (6, 2, (2, 6, 3)),
        (6, 2, (6, 3, 3)),
        (6, 1, (2, 6, 3, 3)),
        (6, 0, (2, 5)),
        (6, 0, (2, 6, 1)),
    ],
    ids=str,
)
def test_features_that_are_not_as_declared_are_refused(channels, dimensions, shape):
    model = with_given(channels, dimensions)
    expected = rf"features of shape {re.escape(str(shape))}: expected \(B, {channels}\) and then a grid of {dimensions}"
    for take in (model, model.prepare, lambda x: ctm.think(model, x)):
        with pytest.raises(ValueError, match=expected):
            take(torch.randn(shape))


@pytest.mark.parametrize("inputs", [torch.ones(6), torch.ones(()), torch.ones(0, 6)], ids=lambda x: str(tuple(x.shape)))
def test_what_is_no_batch_is_refused(inputs):
    model = with_given(6, 0)
    for take in (model, model.prepare):
        with pytest.raises(ValueError, match=r"inputs of shape \(.*\): expected"):
            take(inputs)


def test_whole_numbers_are_no_features():
    with pytest.raises(ValueError, match=r"features of torch\.int64: expected floating-point numbers"):
        with_given(6, 0)(torch.ones(2, 6, dtype=torch.int64))


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("observer", ["attention", "direct", "whole", "in turn"])
def test_a_step_from_a_state_of_other_samples_is_refused(observer, samples):
    if observer == "in turn":
        model = ctm.build("qamnist/quick")
        prepared = model.prepare((torch.randn(2, 2, 1, 8, 8), torch.tensor([[0, -1, 1]] * 2)))
    else:
        model = with_given(6, 0) if observer == "direct" else with_given(6, 2)
        if observer == "whole":
            model = feed_forward(model.config).build()
        prepared = model.prepare(torch.randn(2, 6, 3, 3) if observer != "direct" else torch.randn(2, 6))
    model.step(model.start(2), prepared)
    with pytest.raises(ValueError, match=f"state of {samples} samples: expected 2, as many as were prepared"):
        model.step(model.start(samples), prepared)


def test_different_numbers_of_samples_are_refused():
    with pytest.raises(ValueError, match="inputs of 2 and 3 samples: expected equally many of each"):
        ctm.build("qamnist/quick")(torch.randn(2, 2, 1, 8, 8), torch.tensor([[0, -1, 1]] * 3))


def test_inputs_of_a_wrong_type_or_form_are_named():
    """In a process of its own, where nothing but the machine itself checks them."""
    expected = {
        "np.zeros((2, 1, 8, 8), 'float32')": "TypeError: inputs of type numpy.ndarray: expected a torch.Tensor (B, …), "
        "such as torch.from_numpy makes, or a tuple of several",
        "[torch.zeros(1, 1, 8, 8)]": "TypeError: inputs of type builtins.list: expected a torch.Tensor (B, …), "
        "such as torch.from_numpy makes, or a tuple of several",
        "torch.zeros(1, 8, 8)": "ValueError: pictures of shape (1, 8, 8): expected (B, 1, H, W)",
        "torch.zeros(8, 1, 8)": "ValueError: pictures of shape (8, 1, 8): expected (B, 1, H, W)",
        "torch.zeros(2, 3, 8, 8)": "ValueError: pictures of shape (2, 3, 8, 8): expected (B, 1, H, W)",
        "torch.zeros(2, 1, 8, 8, dtype=torch.uint8)": "ValueError: pictures of torch.uint8: expected floating-point "
        "numbers, scaled as in training",
    }
    program = """
import sys
import numpy as np, torch, ctm
models = ctm.build("digits"), ctm.MachineConfig.build(
    ctm.preset("digits").model.replace(backbone=ctm.ResNet.Config(stages=1, input_channels=1))
)
for line in sys.stdin:
    said = set()
    for model in models:
        for take in (model, model.prepare, lambda x: ctm.think(model, x), lambda x: list(ctm.think_stream(model, [x]))):
            try:
                take(eval(line))
            except Exception as error:
                said.add(f"{type(error).__name__}: {error}")
            else:
                said.add("no error")
    print(*said)
"""
    lines = "".join(f"{line}\n" for line in expected)
    done = subprocess.run([sys.executable, "-c", program], input=lines, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == list(expected.values()), done.stderr
