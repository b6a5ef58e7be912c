"""Files such as the authors' scripts write, in every layout: read, with the numbers that their code computed."""

import argparse
import collections
import json
import os

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

import ctm
from ctm.reference import CheckpointError, from_state_dict, load
from reference.files import (
    KINDS,
    arguments,
    as_numpy_1,
    checkpoint,
    numbers,
    published,
    training_arguments,
    weights,
    with_entries,
)


def same(found, expected):
    assert found.config == expected.config
    torch.testing.assert_close(dict(found.state_dict()), dict(expected.state_dict()), rtol=0, atol=0)


def ours(case):
    return from_state_dict(weights(case), arguments(case), KINDS[case])


def agrees(model, case):
    """Whether it computes what the authors' code computed."""
    io = numbers(case)
    with torch.no_grad():
        if case == "rl_classic":
            agent = ctm.Agent(model)
            state, logits = agent.initial_state(io["in.obs"].shape[1]), []
            for observation in io["in.obs"]:
                said, _, state = agent(observation, state)
                logits.append(said)
            found, expected = torch.stack(logits), io["out.logits"]
        else:
            inputs = [tensor for name, tensor in sorted(io.items()) if name in ("in.x", "in.z")]
            found, expected = model(*inputs).logits.flatten(2).transpose(1, 2), io["out.predictions"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("numpy_1", [False, True], ids=["numpy 2", "numpy 1"])
@pytest.mark.parametrize("case", KINDS)
def test_training_checkpoints_have_the_numbers_of_the_authors(tmp_path, case, numpy_1):
    """Of every task: no kind, no shape of the answer, no argument has to be given."""
    torch.save(checkpoint(case), tmp_path / "checkpoint.pt")
    if numpy_1:
        as_numpy_1(tmp_path / "checkpoint.pt")
    model = load(tmp_path / "checkpoint.pt")
    same(model, ours(case))
    agrees(model, case)


def test_released_files(tmp_path):
    """Weights, and of the arguments those of the model, or all."""
    torch.save(
        {"state_dict": weights("maze_dense_unet"), "args": checkpoint("maze_dense_unet")["args"]}, tmp_path / "m.pt"
    )
    same(load(tmp_path / "m.pt"), ours("maze_dense_unet"))
    said = {name: value for name, value in training_arguments("image_random_pairing").items() if name != "dataset"}
    torch.save(
        {"model_state_dict": weights("image_random_pairing"), "args": argparse.Namespace(**said)}, tmp_path / "i.pt"
    )
    same(load(tmp_path / "i.pt"), ours("image_random_pairing"))


def test_old_arguments_and_wrappers_and_decays(tmp_path):
    """As a distributed, compiled run of the first code left them: dense by default, decays not clamped yet."""
    case = "maze_dense_unet"
    config = training_arguments(case) | {"resnet_type": "resnet18", "resnet_feature_scales": [1]}
    for name in ("backbone_type", "neuron_select_type", "n_random_pairing_self", "dropout_nlm"):
        del config[name]
    decay = torch.linspace(-1, 16, len(weights(case)["decay_params_out"]))
    tensors = weights(case) | {"decay_params_out": decay}
    tensors = {f"module.{name.replace('synapses', 'synapses._orig_mod')}": tensor for name, tensor in tensors.items()}
    torch.save(checkpoint(case, config=config) | {"model_state_dict": tensors}, tmp_path / "checkpoint.pt")
    model = load(tmp_path / "checkpoint.pt")
    assert model.config == ours(case).config
    assert torch.equal(model.output.decay, decay.clamp(0, 15))
    assert torch.equal(model.action.left, ours(case).action.left)


class TheirModel(nn.Module):
    """What `save_model` and `PyTorchModelHubMixin` make files of: a module."""

    def __init__(self, tensors):
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name.replace(".", "_"), tensor)


@pytest.mark.parametrize("case", KINDS)
def test_folders_of_hugging_face(tmp_path, case):
    save_file(weights(case), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(arguments(case)))
    model = load(tmp_path)
    same(model, ours(case))
    same(load(tmp_path / "model.safetensors"), model)
    agrees(model, case)


def test_links_as_in_the_cache_of_hugging_face(tmp_path):
    (tmp_path / "blobs").mkdir()
    save_file(weights("sort"), tmp_path / "blobs" / "abc")
    (tmp_path / "blobs" / "def").write_text(json.dumps(arguments("sort")))
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "model.safetensors").symlink_to("../blobs/abc")
    (tmp_path / "snapshot" / "config.json").symlink_to("../blobs/def")
    same(load(tmp_path / "snapshot"), ours("sort"))


def test_tensors_that_share_their_numbers_are_saved_once(tmp_path):
    """Left and right neurons of a dense synchronization, of which `safetensors.torch.save_model` keeps one."""
    chosen, tensors = torch.arange(6), {n: t for n, t in weights("rl_classic").items() if "indices" not in n}
    module = TheirModel({})
    for side in ("left", "right"):
        module.register_buffer(f"out_neuron_indices_{side}", chosen)
    agent = nn.Module()
    agent.recurrent_model = module
    save_model(agent, tmp_path / "shared.safetensors")
    with open(tmp_path / "shared.safetensors", "rb") as file:
        header = json.loads(file.read()[8:].decode("latin-1").split("}}")[0] + "}}")
    (kept,) = header.keys() - {"__metadata__"}
    save_file(tensors | {kept: chosen}, tmp_path / "model.safetensors", metadata=header["__metadata__"])
    (tmp_path / "config.json").write_text(json.dumps(arguments("rl_classic")))
    same(load(tmp_path), ours("rl_classic"))


CIFAR = {
    "iterations": 50,
    "d_model": 256,
    "d_input": 64,
    "heads": 16,
    "backbone_type": "resnet18-1",
    "positional_embedding_type": "none",
    "out_dims": 10,
    "dropout": 0.0,
    "dataset": "cifar10",
}
MACHINE = {"deep_memory": True, "do_normalisation": False, "neuron_select_type": "random-pairing"}
SMALL = CIFAR | MACHINE | {"d_model": 64, "d_input": 16, "heads": 4, "synapse_depth": 1, "memory_length": 3}
SMALL |= {"n_synch_out": 4, "n_synch_action": 4, "do_normalisation": True, "memory_hidden_dims": 2}
PUBLISHED = {
    "cifar10 ctm": (
        "ctm",
        CIFAR
        | MACHINE
        | {
            "n_synch_out": 256,
            "n_synch_action": 512,
            "synapse_depth": 5,
            "memory_length": 15,
            "memory_hidden_dims": 64,
        },
    ),
    "cifar10 lstm": ("lstm", CIFAR),  # how many layers it has is seen
    "cifar10 ff": ("ff", CIFAR),
    "sort": (
        "sort",
        MACHINE
        | {"iterations": 50, "d_model": 512, "n_synch_out": 32, "synapse_depth": 4, "out_dims": 31}
        | {"memory_length": 25, "memory_hidden_dims": 4},
    ),
    "qamnist lstm": (
        "lstm-qamnist",
        {"d_model": 741, "d_input": 64, "heads": 4, "out_dims": 10, "iterations_for_answering": 1},
    ),
    "cartpole rl": (
        "rl",
        MACHINE
        | {"iterations": 1, "d_model": 128, "d_input": 128, "n_synch_out": 16, "synapse_depth": 1}
        | {"memory_length": 10, "memory_hidden_dims": 4, "neuron_select_type": "first-last"},
    ),
    "cartpole lstm": ("lstm-rl", {"iterations": 1, "d_model": 118, "d_input": 128}),
    "learnable-fourier": ("ctm", SMALL | {"deep_memory": False, "positional_embedding_type": "learnable-fourier"}),
    "custom-rotational": ("ctm", SMALL | {"positional_embedding_type": "custom-rotational"}),
}


@pytest.mark.parametrize("title", PUBLISHED)
def test_models_of_the_published_shapes(tmp_path, title):
    kind, config = PUBLISHED[title]
    tensors = published(title)
    if kind.endswith("rl"):
        tensors = {f"recurrent_model.{name}": tensor for name, tensor in tensors.items()}
        heard = 136 if kind == "rl" else 118
        for head, outputs in (("actor", 2), ("critic", 1)):
            for layer, (wide, deep) in {0: (heard, 64), 2: (64, 64), 4: (64, outputs)}.items():
                tensors |= {f"{head}.{layer}.weight": torch.rand(deep, wide), f"{head}.{layer}.bias": torch.rand(deep)}
    torch.save({"model_state_dict": tensors, "args": argparse.Namespace(**config)}, tmp_path / "checkpoint.pt")
    model = load(tmp_path / "checkpoint.pt")
    same(model, from_state_dict(tensors, config, kind))
    for other in {"ctm", "sort", "qamnist", "rl", "lstm", "lstm-qamnist", "lstm-rl", "ff"} - {kind}:
        with pytest.raises(
            CheckpointError, match=rf"checkpoint\.pt: kind = '{other}': these are weights of kind '{kind}'"
        ):
            load(tmp_path / "checkpoint.pt", kind=other)


@pytest.mark.parametrize(
    ("case", "training", "answer"),
    [
        ("parity_semidense", {}, (16,)),
        ("maze_dense_unet", {"maze_route_length": 7}, (7,)),
        ("maze_dense_unet", {"dataset": "mazes-large"}, (7,)),
        ("image_random_pairing", {"dataset": "imagenet"}, ()),
        ("image_random_pairing", {}, ()),
    ],
)
def test_the_task_tells_the_shape_of_the_answer(case, training, answer):
    config = {name: value for name, value in arguments(case).items() if name != "prediction_reshaper"} | training
    assert from_state_dict(weights(case), config).config.readout.answer == answer


def test_the_shape_of_the_answer_is_asked_for_where_nothing_tells_it(tmp_path):
    config = {name: value for name, value in arguments("maze_dense_unet").items() if name != "prediction_reshaper"}
    torch.save(checkpoint("maze_dense_unet", config=config), tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=r"prediction_reshaper is missing, and nothing .* \[out_dims // 5, 5\]"):
        load(tmp_path / "checkpoint.pt")
    same(load(tmp_path / "checkpoint.pt", {"prediction_reshaper": [7, 5]}), ours("maze_dense_unet"))
    same(load(tmp_path / "checkpoint.pt", {"prediction_reshaper": [7, -1]}), ours("maze_dense_unet"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no arguments of the authors' model; give them as `config`"),
        ('{"model_type": "bert", "hidden": 3}', "holds no arguments .*; it holds model_type, hidden; give them"),
        ("[1, 2]", "config.json: holds a list; expected arguments by name"),
        ("{not json", "config.json: no JSON that can be read"),
        ("[" * 100_000, "config.json: no JSON that can be read"),
        ('{"d_model": ' + "9" * 5000 + "}", "config.json: no JSON that can be read"),
        (" " * 2**20 + "{}", "config.json has 1,048,578 bytes; expected at most 1,048,576"),
        ('{"d_model": 48}', "config: deep_nlms is missing"),
        ('{"d_model": "48"}', "config: d_model is a str; expected int"),
        ('{"d_model": true}', "config: d_model is a bool; expected int"),
        ('{"d_model": 1000000000000}', "config: d_model is too large; expected at most 262,144"),
        ('{"d_model": 48, "synapse_depth": 90000}', "config: synapse_depth = 90000: more than there are tensors"),
        ('{"d_model": 48, "prediction_reshaper": [[[]]]}', "prediction_reshaper: expected a list of 1 to 8 whole num"),
        ('{"d_model": 48, "neuron_select_type": "' + "a" * 101 + '"}', "neuron_select_type is text of 101 letters"),
    ],
)  # fmt: skip
def test_wrong_configurations_are_named(tmp_path, content, message):
    save_file(weights("sort"), tmp_path / "model.safetensors")
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_sizes_that_the_weights_do_not_have_take_no_memory(tmp_path):
    """A terabyte would be asked for."""
    config = arguments("sort") | {"d_model": 2**18}
    with pytest.raises(CheckpointError, match=r"start_trace: shape \(48, 4\); expected \(262144, 4\)"):
        from_state_dict(weights("sort"), config)


def test_folders_without_weights_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"a folder without model\.safetensors; it has nothing"):
        load(tmp_path)
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(CheckpointError, match=r"a folder without model\.safetensors; it has checkpoint\.pt"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["pipe.pt", "pipe.safetensors"])
def test_pipes_and_devices_are_not_waited_for(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"{name} is no regular file"):
        load(tmp_path / name)
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match=r"zero\.pt is no regular file"):
        load(tmp_path / "zero.pt")


def test_a_pipe_as_configuration_is_not_waited_for(tmp_path):
    save_file(weights("sort"), tmp_path / "model.safetensors")
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(CheckpointError, match=r"config\.json is no regular file"):
        load(tmp_path)


def test_what_reading_needs_not_is_left_unread(tmp_path):
    """Optimizers, counters and parameters that ask for gradients; entries of the optimizer may even be missing."""
    case = "sort"
    content = checkpoint(case) | {
        "milestones": collections.Counter([3]),
        "some": {1, 2},
        "model_state_dict": collections.OrderedDict(
            {n: nn.Parameter(t, requires_grad=t.is_floating_point()) for n, t in weights(case).items()}
        ),
    }
    content["model_state_dict"]._metadata = {"": {"version": 1}}
    torch.save(content, tmp_path / "checkpoint.pt")
    last = f"data/{len(weights(case)) + 1}"  # a tensor of the optimizer
    with_entries(tmp_path / "checkpoint.pt", lambda name, old: None if name.endswith(last) else old)
    same(load(tmp_path / "checkpoint.pt"), ours(case))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list; expected a dictionary"),
        ({"weights": 1}, "holds weights; expected model_state_dict or state_dict"),
        ({"model_state_dict": [1]}, "model_state_dict: expected tensors by name"),
        ({"model_state_dict": {1: torch.ones(2)}}, "model_state_dict: expected tensors by name"),
        ({"model_state_dict": {"a\x1b": 1}}, r"model_state_dict: a\\x1b is a int; expected a tensor"),
        ({"model_state_dict": {"a": torch.ones(2)}, "args": 3}, "args: holds a int; expected an argparse"),
        ({"model_state_dict": {"a": torch.ones(2)}, "args": {"d_model": 1}}, "no weights of the authors"),
    ],
)
def test_files_with_something_else_are_named(tmp_path, content, message):
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "model.pt")


def test_tensors_larger_than_the_file_are_refused(tmp_path):
    """A thousand tensors on the numbers of one."""
    numbers = torch.zeros(1000)
    torch.save(
        {"state_dict": {f"w{n}": numbers.view(1000) for n in range(200)}, "args": {"d_model": 1}}, tmp_path / "m.pt"
    )
    with pytest.raises(CheckpointError, match="refused: its tensors take 800,000 bytes, more than twice its own"):
        load(tmp_path / "m.pt")


def test_tensors_of_another_type_are_named():
    tensors = weights("sort") | {"start_trace": weights("sort")["start_trace"].long()}
    with pytest.raises(CheckpointError, match=r"start_trace: torch\.int64; expected floating-point numbers"):
        from_state_dict(tensors, arguments("sort"))


def test_weights_of_few_bits_become_single():
    """Not all of what is done with them exists for all types."""
    decay = weights("sort")["decay_params_out"].to(torch.float8_e4m3fn)
    model = from_state_dict(weights("sort") | {"decay_params_out": decay}, arguments("sort"))
    assert torch.equal(model.output.decay, decay.float().clamp(0, 15))
