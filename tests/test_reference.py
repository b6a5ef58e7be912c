"""Agreement with the authors' code: numbers it computed, and files such as it writes."""

import math

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

import ctm
from ctm.reference import CheckpointError, from_state_dict, load, translation
from machines import perturbed
from reference.files import KINDS, arguments, numbers, weights

CASES = ["parity_semidense", "maze_dense_unet", "image_random_pairing", "sort", "qamnist"]


def ours(case):
    return from_state_dict(weights(case), arguments(case), KINDS[case])


def asked(case):
    """What the model takes: in the order of names."""
    return [tensor for name, tensor in sorted(numbers(case).items()) if name in ("in.x", "in.z")]


def image_loss(thoughts, targets):
    return ctm.two_tick_loss(ctm.cross_entropy_over_ticks(thoughts.logits, targets), thoughts.certainty)


def maze_loss(thoughts, targets):
    losses = ctm.losses.curriculum_over_ticks(thoughts.logits, targets, curriculum="as_trained")
    return ctm.two_tick_loss(losses, thoughts.certainty)


def sort_loss(thoughts, targets):
    return ctm.ctc_over_ticks(thoughts.logits, targets)


LOSSES = {
    "parity_semidense": image_loss,
    "maze_dense_unet": maze_loss,
    "image_random_pairing": image_loss,
    "sort": sort_loss,
    "qamnist": lambda thoughts, targets: image_loss(thoughts.due, targets),
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_authors_forward_pass(case):
    io = numbers(case)
    with torch.no_grad():
        thoughts = ours(case)(*asked(case), record=True)
    theirs = {name.removeprefix("out."): tensor for name, tensor in io.items() if name.startswith("out.")}
    found = {
        "predictions": thoughts.logits.flatten(2).transpose(1, 2),
        "certainties": torch.stack([1 - thoughts.certainty, thoughts.certainty], dim=1),
        "synch_out": thoughts.record.output.transpose(0, 1),
        "pre_activations": thoughts.record.pre_activations.transpose(0, 1),
        "post_activations": thoughts.record.post_activations.transpose(0, 1),
    }
    if case == "qamnist":  # they keep less
        found["synch_out_last"] = found.pop("synch_out")[-1]
    elif thoughts.record.attention is not None:
        found["synch_action"] = thoughts.record.action.transpose(0, 1)
        found["attention"] = thoughts.record.attention.transpose(0, 1).unsqueeze(3)
    assert found.keys() == theirs.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-5, rtol=0, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_authors_loss_and_gradients(case):
    io, model = numbers(case), ours(case)
    loss = LOSSES[case](model(*asked(case)), io["in.targets"])
    torch.testing.assert_close(loss.detach(), io["loss"].squeeze(), atol=1e-5, rtol=0)
    loss.backward()
    names = translation(arguments(case), weights(case), KINDS[case])
    norms = {f"gradnorm.{names.their_name(name)}": p.grad.norm() for name, p in model.named_parameters()}
    assert norms.keys() == {name for name in io if name.startswith("gradnorm.")}
    for name, norm in norms.items():
        torch.testing.assert_close(
            norm, io[name].squeeze(), rtol=1e-4, atol=1e-7, msg=lambda text, name=name: name + text
        )


def test_neuron_pairs_are_those_stored():
    case = "parity_semidense"
    model = ours(case)
    left, right = (weights(case)[f"action_neuron_indices_{side}"] for side in ("left", "right"))
    pairs = [(left[i], right[j]) for i in range(5) for j in range(i, 5)]
    assert list(zip(model.action.left, model.action.right, strict=True)) == pairs


def test_reading_changes_neither_the_random_state_nor_the_weights_given():
    given = {name: tensor.clone() for name, tensor in weights("image_random_pairing").items()}
    before = torch.get_rng_state()
    model = from_state_dict(given, arguments("image_random_pairing"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not model.training
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(given[name], tensor) for name, tensor in weights("image_random_pairing").items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: "module." + name,
        lambda name: "_orig_mod." + name,
        lambda name: "module._orig_mod." + name,
        lambda name: name.replace("backbone.", "backbone._orig_mod.").replace("synapses.", "synapses._orig_mod."),
    ],
    ids=["parallel", "compiled", "both", "compiled parts"],
)
def test_what_wrappers_add_to_names_is_dropped(wrap):
    case = "maze_dense_unet"
    wrapped = {wrap(name): tensor for name, tensor in weights(case).items()}
    same(from_state_dict(wrapped, arguments(case)), ours(case))


def same(found, expected):
    assert found.config == expected.config
    torch.testing.assert_close(dict(found.state_dict()), dict(expected.state_dict()), rtol=0, atol=0)


def test_decays_are_clamped():
    case = "parity_semidense"
    decay = torch.linspace(-1, 16, 21)
    model = from_state_dict(weights(case) | {"decay_params_out": decay}, arguments(case))
    assert torch.equal(model.output.decay, decay.clamp(0, 15))


def changed(**changes):
    config = arguments("image_random_pairing") | changes
    return {name: value for name, value in config.items() if value is not ...}


@pytest.mark.parametrize(
    "changes",
    [
        {"deep_nlms": ..., "deep_memory": True, "do_layernorm_nlm": ..., "do_normalisation": False},
        {"backbone_type": ..., "resnet_type": "resnet18", "resnet_feature_scales": [1]},
        {"prediction_reshaper": ..., "dropout_nlm": ..., "lr": 1e-4, "batch_size": 64, "dataset": "cifar10"},
    ],
    ids=["names of the scripts", "old backbone", "other arguments"],
)
def test_arguments_of_the_training_scripts_mean_the_same(changes):
    same(from_state_dict(weights("image_random_pairing"), changed(**changes)), ours("image_random_pairing"))


def test_old_checkpoints_are_dense():
    config = arguments("maze_dense_unet").copy()
    del config["neuron_select_type"], config["n_random_pairing_self"]
    same(from_state_dict(weights("maze_dense_unet"), config), ours("maze_dense_unet"))


def test_dropout_is_for_everything_unless_neurons_have_their_own():
    for own, expected in ((None, 0.3), (0.1, 0.1)):
        config = translation(changed(dropout=0.3, dropout_nlm=own), weights("image_random_pairing")).config
        assert config.core.models.dropout == expected
        assert config.core.synapses.dropout == config.observer.dropout == 0.3


@pytest.mark.parametrize(
    ("positions", "backbone", "theirs"),
    [
        (
            "learnable-fourier",
            "resnet18-1",
            {"Wr.weight": (128, 2), "mlp.0.weight": (128, 256), "mlp.2.bias": (64,), "mlp.3.weight": (64,)},
        ),
        (
            "multi-learnable-fourier",
            "resnet18-1",
            {"embedders.9.Wr.weight": (128, 2), "embedders.0.mlp.2.weight": (64, 64), "combination": (10,)},
        ),
        (
            "custom-rotational",
            "resnet18-1",
            {"start_vector": (2,), "projection.0.weight": (64, 4), "projection.0.bias": (64,)},
        ),
        ("custom-rotational-1d", "parity_backbone", {"projection.weight": (16, 2), "projection.bias": (16,)}),
    ],
)
def test_names_of_positions(positions, backbone, theirs):
    tensors = weights("image_random_pairing")
    config = changed(positional_embedding_type=positions, backbone_type=backbone)
    found = translation(config, tensors)
    shapes = {found.their_name(name): p.shape for name, p in found.config.build().state_dict().items()}
    assert {name: shapes["positional_embedding." + name] for name in theirs} == theirs


def test_names_of_single_layer_neurons_with_norms_and_of_deep_resnets():
    tensors = weights("image_random_pairing")
    config = changed(backbone_type="resnet50-2", deep_nlms=False, do_layernorm_nlm=True, synapse_depth=1)
    found = translation(config, tensors)
    names = {found.their_name(name) for name in found.config.build().state_dict()}
    assert {
        "backbone.layer1.0.conv3.weight",
        "backbone.layer1.2.bn3.running_var",
        "backbone.layer2.0.downsample.0.weight",
        "backbone.layer2.0.downsample.1.num_batches_tracked",
        "trace_processor.0.0.w1",
        "trace_processor.0.0.layernorm.weight",
        "synapses.1.weight",
        "synapses.3.bias",
    } < names
    assert "trace_processor.0.2.w1" not in names


def test_features_of_ones_own_backbone():
    tensors = {name: t for name, t in weights("image_random_pairing").items() if not name.startswith(("back", "ini"))}
    model = from_state_dict(tensors, changed(backbone_type="none"))
    assert model(torch.randn(2, 64, 4, 4)).logits.shape == (2, 6, 10)


def test_input_channels_come_from_the_weights():
    tensors = weights("image_random_pairing") | {"initial_rgb.weight": torch.ones(3, 1, 1, 1)}
    model = from_state_dict(tensors, arguments("image_random_pairing"))
    assert model(torch.zeros(1, 1, 8, 8)).logits.shape == (1, 6, 10)


def test_parameter_count_of_the_published_imagenet_model():
    config = {
        "iterations": 50,
        "d_model": 4096,
        "d_input": 1024,
        "heads": 16,
        "n_synch_out": 8196,
        "n_synch_action": 2048,
        "n_random_pairing_self": 32,
        "neuron_select_type": "random-pairing",
        "synapse_depth": 8,
        "memory_length": 25,
        "memory_hidden_dims": 64,
        "deep_memory": True,
        "do_normalisation": False,
        "backbone_type": "resnet152-4",
        "positional_embedding_type": "none",
        "out_dims": 1000,
    }
    found = translation(config, {"initial_rgb.weight": torch.empty(3, 3, 1, 1)}, "ctm")
    assert sum(parameter.numel() for parameter in found.config.build().parameters()) == 185_989_886


def test_parameter_count_of_the_sorting_defaults():
    config = {
        "iterations": 50,
        "d_model": 512,
        "n_synch_out": 32,
        "neuron_select_type": "random-pairing",
        "synapse_depth": 4,
        "memory_length": 25,
        "memory_hidden_dims": 4,
        "deep_memory": True,
        "out_dims": 31,
    }
    model = translation(config, {}, "sort").config.build()
    assert sum(parameter.numel() for parameter in model.parameters()) == 897_197


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q_proj.weight": None}, r"q_proj\.weight: missing; expected \(16, 12\)"),
        ({"q_proj.weight": torch.zeros(16, 13)}, r"q_proj\.weight: shape \(16, 13\); expected \(16, 12\)"),
        ({"q_proj.weight": "zeros"}, r"q_proj\.weight: no tensor; expected \(16, 12\)"),
        (
            {"trace_processor.0.0.w1": torch.zeros(48, 6, 4)},
            r"trace_processor\.0\.0\.w1: .*expected \(4, 6, 48\)",
        ),
        (
            {"trace_processor.0.2.b1": torch.zeros(48, 2)},
            r"trace_processor\.0\.2\.b1: .*expected \(1, 48, 2\)",
        ),
        ({"trace_processor.0.0.T": torch.ones(())}, r"trace_processor\.0\.0\.T: .*expected \(1,\)"),
        ({"kv_proj.2.weight": torch.zeros(3)}, r"kv_proj\.2\.weight: unexpected"),
        ({"initial_rgb.weight": None}, r"initial_rgb\.weight: expected a weight"),
        ({"out_neuron_indices_left": torch.full((20,), 48)}, r"out_neuron_indices_left: .* 0 to 47"),
        ({"out_neuron_indices_left": torch.zeros(20)}, r"out_neuron_indices_left: .* whole numbers"),
    ],
)
def test_wrong_tensors_are_named(change, message):
    tensors = {
        name: tensor for name, tensor in (weights("image_random_pairing") | change).items() if tensor is not None
    }
    with pytest.raises(CheckpointError, match=message):
        from_state_dict(tensors, arguments("image_random_pairing"))


def test_wrong_neuron_indices_of_a_triangle_are_counted_in_neurons():
    tensors = weights("parity_semidense") | {"action_neuron_indices_left": torch.zeros(6, dtype=torch.long)}
    with pytest.raises(CheckpointError, match=r"action_neuron_indices_left: shape \(6,\); expected \(5,\)"):
        from_state_dict(tensors, arguments("parity_semidense"))


def test_of_many_wrong_tensors_the_first_are_named():
    with pytest.raises(CheckpointError, match="and 25 more"):
        from_state_dict(
            {name: weights("parity_semidense")[name] for name in ("start_trace", "q_proj.bias", "kv_proj.0.bias")},
            arguments("parity_semidense"),
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": ...}, "d_model is missing"),
        ({"d_model": 0}, "neurons = 0: expected at least 1"),
        ({"heads": 0}, "heads = 0: expected at least 1"),
        (
            {"backbone_type": "shallow-wide"},
            "backbone_type = 'shallow-wide' is not supported; expected resnet18-1",
        ),
        (
            {"positional_embedding_type": "rope"},
            "'rope' is not supported; expected one of none, custom-rotational-1d",
        ),
        (
            {"neuron_select_type": "all"},
            "'all' is not supported; expected one of first-last, random, random-pairing",
        ),
        (
            {"prediction_reshaper": [3, 5]},
            r"prediction_reshaper = \[3, 5\]: expected a shape of out_dims = 10",
        ),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    with pytest.raises(CheckpointError, match=message):
        from_state_dict(weights("image_random_pairing"), changed(**changes))


def test_unknown_kinds_are_refused():
    with pytest.raises(CheckpointError, match="kind = 'transformer': expected one of ctm, sort, lstm, ff, qamnist"):
        from_state_dict(weights("image_random_pairing"), arguments("image_random_pairing"), kind="transformer")


def test_agrees_with_the_authors_lstm():
    io, case = numbers("lstm_parity"), "lstm_parity"
    model = from_state_dict(weights(case), arguments(case), kind="lstm")
    with torch.no_grad():
        thoughts = model(io["in.x"])
    found = {
        "out.predictions": thoughts.logits.flatten(2).transpose(1, 2),
        "out.certainties": torch.stack([1 - thoughts.certainty, thoughts.certainty], dim=1),
    }
    assert found.keys() == io.keys() - {"in.x", "in.targets"}
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, io[name], atol=1e-5, rtol=0)


def test_their_lstms_for_images_have_the_published_size_and_names():
    config = {
        "iterations": 50,
        "d_model": 256,
        "d_input": 64,
        "heads": 16,
        "num_layers": 2,
        "out_dims": 10,
        "backbone_type": "resnet18-1",
        "positional_embedding_type": "none",
    }
    found = translation(config, {"initial_rgb.weight": torch.empty(3, 3, 1, 1)}, "lstm")
    model = found.config.build()
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_046_870
    shapes = {found.their_name(name): tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert shapes["start_hidden_state"] == shapes["start_cell_state"] == (2, 256)
    assert shapes["lstm.weight_ih_l0"] == (1024, 64)
    assert shapes["lstm.weight_hh_l1"] == (1024, 256)
    assert {f"lstm.{part}_l{layer}" for part in ("bias_ih", "bias_hh", "weight_ih") for layer in (0, 1)} < shapes.keys()


def test_their_feed_forward_model(tmp_path):
    """No numbers of theirs are at hand: the tensors they save, and what their two layers mean, by hand."""
    config = {"backbone_type": "resnet18-1", "d_model": 32, "out_dims": 6, "prediction_reshaper": [3, 2]}
    theirs = {name: t for name, t in weights("image_random_pairing").items() if name.startswith(("backbone", "init"))}
    theirs |= {f"output_projector.{n}.{part}": torch.randn(shape) for n, part, shape in (
        (3, "weight", (32, 64)), (3, "bias", (32,)), (6, "weight", (6, 32)), (6, "bias", (6,)),
    )}  # fmt: skip
    save_file(theirs, tmp_path / "model.safetensors")
    model = load(tmp_path / "model.safetensors", config, kind="ff")
    x = torch.randn(2, 3, 8, 8)
    hidden = F.linear(model.backbone(x).mean((2, 3)), *(theirs[f"output_projector.3.{p}"] for p in ("weight", "bias")))
    answer = F.linear(hidden.relu(), *(theirs[f"output_projector.6.{p}"] for p in ("weight", "bias")))
    thoughts = model(x)
    assert thoughts.logits.shape == (2, 1, 3, 2)
    torch.testing.assert_close(thoughts.at("last").flatten(1), answer)


def test_names_that_are_not_of_the_model_have_no_translation():
    found = translation(arguments("parity_semidense"), weights("parity_semidense"))
    assert found.their_name("core.start_history") == "start_trace"
    with pytest.raises(KeyError, match="nonsense"):
        found.their_name("nonsense")


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half a file"], ids=["empty", "text", "zip"])
def test_broken_files_are_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        load(tmp_path / name, {})


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_missing_files_are_missing(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / name)


def test_half_precision_weights_become_single(tmp_path):
    tensors = {name: t.half() if t.is_floating_point() else t for name, t in weights("parity_semidense").items()}
    model = from_state_dict(tensors, arguments("parity_semidense"))
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert math.isclose(float(model.readout.linear.bias[0].detach()), float(tensors["output_projector.0.bias"][0]))


def test_questions_need_not_be_repeated_by_those_who_ask():
    """With the ticks of a part in the configuration, every picture is given, and its features computed, once."""
    (frames, question), model = asked("qamnist"), ours("qamnist")
    observer = model.config.observer.replace(repeats=2)
    other = model.config.replace(observer=observer).build().eval()
    other.load_state_dict(model.state_dict())
    thoughts, expected = other(frames[:, ::2], question[:, ::2]), model(frames, question)
    assert thoughts.shown == expected.shown == 14
    torch.testing.assert_close(thoughts.logits, expected.logits)


LSTM_ARGUMENTS = {"d_model": 741, "d_input": 64, "heads": 4, "out_dims": 10, "iterations_for_answering": 1}


def test_their_lstms_for_questions_have_the_published_size_and_names():
    digit = {"backbone_digit.layers.0.weight": torch.empty(64, 1, 3, 3)}
    found = translation(LSTM_ARGUMENTS, digit, "lstm-qamnist")
    model = found.config.build()
    assert sum(parameter.numel() for parameter in model.parameters()) == 2_507_218
    names = {found.their_name(name): tensor for name, tensor in model.state_dict().items()}
    assert names["lstm_cell.weight_ih"].shape == (4 * 741, 64)
    assert names["lstm_cell.weight_hh"].shape == (4 * 741, 741)
    assert {"lstm_cell.bias_ih", "index_backbone.embedding", "operator_backbone.embedding.weight"} < names.keys()
    theirs = {name: tensor.squeeze(0) if "start" in name else tensor for name, tensor in names.items()}
    loaded = from_state_dict(theirs, LSTM_ARGUMENTS, "lstm-qamnist")
    torch.testing.assert_close(dict(loaded.state_dict()), dict(model.state_dict()), rtol=0, atol=0)
    frames, question = torch.randn(1, 2, 1, 32, 32), torch.tensor([[1, -2, 0]])  # a batch of one
    assert loaded(frames, question).logits.shape == (1, 6, 10)


def test_their_lstm_cell_tick_by_tick():
    """Written out as they do: attention, projected symbols, then nothing; PyTorch's own cell."""
    arguments = LSTM_ARGUMENTS | {"d_model": 9, "d_input": 8, "heads": 2}
    digit = {"backbone_digit.layers.0.weight": torch.empty(8, 1, 3, 3)}
    model = perturbed(translation(arguments, digit, "lstm-qamnist").config.build()).eval()
    frames, question = torch.randn(2, 2, 1, 8, 8), torch.tensor([[1, -2, 0], [0, -1, 1]])
    lstm, observer, look = model.core.lstm, model.observer, model.observer.look
    cell = torch.nn.LSTMCell(8, 9)
    cell.load_state_dict({name.removesuffix("_l0"): tensor for name, tensor in lstm.state_dict().items()})
    h, c = (start.expand(2, -1) for start in (model.core.start_hidden[0], model.core.start_cell[0]))
    words = torch.cat([observer.indices, observer.operators.weight.flip(0)])  # -1 is the last one
    expected = []
    with torch.no_grad():
        seen: list = [model.backbone.backbone(frames[:, place]).flatten(2).transpose(1, 2) for place in range(2)]
        seen += [look.features(words[question[:, place]]) for place in range(3)] + [torch.zeros(2, 8)]
        for part in seen:
            if part.dim() == 3:
                tokens, asked = look.features(part), look.query(h).unsqueeze(1)
                part = look.attention(asked, tokens, tokens)[0].squeeze(1)
            h, c = cell(part, (h, c))
            expected.append(model.readout(h))
        torch.testing.assert_close(model(frames, question).logits, torch.stack(expected, 1), atol=1e-5, rtol=0)


def test_questions_name_what_is_missing():
    config = {name: value for name, value in arguments("qamnist").items() if name != "iterations_for_answering"}
    with pytest.raises(CheckpointError, match="iterations_for_answering is missing"):
        from_state_dict(weights("qamnist"), config, "qamnist")
    tensors = weights("qamnist") | {"index_backbone.embedding": torch.zeros(50, 15)}
    with pytest.raises(CheckpointError, match=r"index_backbone\.embedding: shape \(50, 15\); expected \(50, 16\)"):
        from_state_dict(tensors, arguments("qamnist"), "qamnist")
