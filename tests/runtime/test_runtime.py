"""The runner of exported machines: without PyTorch, with clear errors; eight-bit weights; a whole pass in one file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ctm
import ctm.export
import ctm.runtime
from ctm import ConfigError, DataError

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None                       # importing it raises ImportError
import numpy as np
import ctm.runtime
model = ctm.runtime.load(sys.argv[1], threads=1)
x = np.load(sys.argv[2])
found = model.think(x, until=0.9)
np.savez(sys.argv[3], answers=found.answers, ticks=found.ticks, logits=model(x).logits)
"""


@pytest.fixture(scope="module", autouse=True)
def _traceable():
    import jaxtyping

    patch = pytest.MonkeyPatch()
    patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def model():
    return ctm.load("digits")


@pytest.fixture(scope="module")
def images():
    return torch.cat([batch.inputs for batch in ctm.preset("digits").task.build().evaluation("test", 100)])[:100]


@pytest.fixture(scope="module")
def exported(model, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "digits"
    ctm.export.to_onnx(model, images[:2], folder)
    return folder


def test_it_thinks_without_pytorch_and_stops_at_the_same_ticks(model, images, exported, tmp_path):
    np.save(tmp_path / "x.npy", images.numpy())
    environment = os.environ | {"PYTHONPATH": str(Path(ctm.__file__).parents[1])}
    paths = [str(exported), str(tmp_path / "x.npy"), str(tmp_path / "found.npz")]
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *paths], env=environment, check=True)
    found = np.load(tmp_path / "found.npz")
    with torch.no_grad():
        expected = ctm.think(model, images, until=0.9)
        torch.testing.assert_close(torch.from_numpy(found["logits"]), model(images).logits, rtol=1e-4, atol=1e-4)
    assert found["ticks"].tolist() == expected.ticks.tolist()
    assert found["answers"].argmax(-1).tolist() == expected.answers.argmax(-1).tolist()
    assert len(set(expected.ticks.tolist())) > 3


def test_those_that_are_never_sure_take_all_the_ticks_they_may(model, images, exported):
    found = ctm.runtime.load(exported, threads=1).think(images.numpy(), until=1.0, max_ticks=3)
    with torch.no_grad():
        expected = ctm.think(model, images, until=1.0, max_ticks=3)
    assert found.ticks.tolist() == expected.ticks.tolist() == [3] * len(images)


def test_lesions_also_of_those_that_stop(model, images, exported):
    loaded, silenced = ctm.runtime.load(exported, threads=1), list(range(100))
    found = loaded.think(images.numpy(), until=0.9, silenced=silenced)
    with torch.no_grad(), model.intervene(neurons=silenced, value=0.0):
        expected = ctm.think(model, images, until=0.9)
    assert found.ticks.tolist() == expected.ticks.tolist()
    torch.testing.assert_close(torch.from_numpy(found.answers), expected.answers, rtol=1e-4, atol=1e-4)
    assert not np.allclose(found.answers, loaded.think(images.numpy(), until=0.9).answers)
    with pytest.raises(ValueError, match="silenced: 128 does not exist; expected 0 to 127"):
        loaded(images.numpy(), silenced=[0, 128])


def test_a_whole_pass_in_one_file(model, images, tmp_path):
    short = ctm.ContinuousThoughtMachine(model.config.replace(ticks=3))
    short.load_state_dict(model.state_dict())
    ctm.export.to_onnx(short.eval(), images[:2], tmp_path / "digits.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["digits.onnx"]
    loaded = ctm.runtime.load(tmp_path / "digits.onnx", threads=1)
    for batch in (1, 7):
        found = loaded(images[:batch].numpy())
        with torch.no_grad():
            expected = short(images[:batch])
        torch.testing.assert_close(torch.from_numpy(found.logits), expected.logits, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(torch.from_numpy(found.certainty), expected.certainty, rtol=1e-4, atol=1e-4)


def test_eight_bits_are_smaller_and_answer_the_same(model, images, exported, tmp_path):
    import onnx

    ctm.export.to_onnx(model, images[:2], tmp_path / "small", int8=True)
    sizes = [(folder / "tick.onnx").stat().st_size for folder in (exported, tmp_path / "small")]
    assert sizes[1] < 0.6 * sizes[0]
    kinds = {node.op_type for node in onnx.load(tmp_path / "small" / "prepare.onnx").graph.node}
    assert {"Conv", "MatMulInteger"} <= kinds
    assert "ConvInteger" not in kinds
    large, small = (
        ctm.runtime.load(folder, threads=1)(images.numpy()).at("most_certain").argmax(-1)
        for folder in (exported, tmp_path / "small")
    )
    assert (large == small).mean() > 0.95


def test_the_opset_and_the_free_batch_are_in_the_files(exported):
    import onnx

    for name in ("prepare", "tick", "certainty"):
        graph = onnx.load(exported / f"{name}.onnx")
        onnx.checker.check_model(graph)
        assert [each.version for each in graph.opset_import if each.domain in ("", "ai.onnx")] == [18]
        sizes = {value.type.tensor_type.shape.dim[0].dim_param for value in (*graph.graph.input, *graph.graph.output)}
        assert sizes == {"batch"}
    description = json.loads((exported / "machine.json").read_text())
    assert (description["answer"], description["ticks"], description["inputs"]["x"]["shape"]) == (
        [10],
        15,
        ["batch", 1, 8, 8],
    )


def test_inputs_that_do_not_fit_are_refused(exported):
    loaded = ctm.runtime.load(exported, threads=1)
    for x, message in (
        (np.zeros((2, 1, 8, 9), np.float32), r"x of shape \(2, 1, 8, 9\): expected \(B, 1, 8, 8\)"),
        (np.zeros((0, 1, 8, 8), np.float32), "with B at least 1"),
        (np.zeros((2, 1, 8, 8), complex), "x of complex128: expected float32"),
    ):
        with pytest.raises(ValueError, match=message):
            loaded(x)
    with pytest.raises(ValueError, match="2 arrays: expected 1, for x"):
        loaded(np.zeros((1, 1, 8, 8)), np.zeros(1))
    with pytest.raises(ValueError, match="until = 2: expected a certainty"):
        loaded.think(np.zeros((1, 1, 8, 8)), until=2)


def test_what_was_not_exported_is_no_machine(exported, tmp_path):
    with pytest.raises(DataError, match="there is no such folder or file"):
        ctm.runtime.load(tmp_path / "none")
    with pytest.raises(DataError, match=r"has no machine\.json"):
        ctm.runtime.load(tmp_path)
    (tmp_path / "machine.json").write_text('{"format": 7}')
    with pytest.raises(DataError, match="format = 7: expected 2; export it again"):
        ctm.runtime.load(tmp_path)
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(DataError, match=r"broken\.onnx: cannot be read"):
        ctm.runtime.load(tmp_path / "broken.onnx")


def test_what_cannot_be_exported_is_refused_before_any_work(model, images, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(ConfigError, match="taken: exists already"):
        ctm.export.to_onnx(model, images[:1], tmp_path / "taken")
    with pytest.raises(ConfigError, match=r"Agent: expected a machine; that of an agent is agent\.machine"):
        ctm.export.to_onnx(ctm.Agent(ctm.load("cartpole/quick")), images[:1], tmp_path / "agent")
    with model.intervene(neurons=[0], value=0.0), pytest.raises(ConfigError, match="has no interventions"):
        ctm.export.to_onnx(model, images[:1], tmp_path / "lesioned")
    with pytest.raises(ConfigError, match=r"weights of torch\.float64: expected torch\.float32"):
        ctm.export.to_onnx(ctm.load("digits").double(), images[:1].double(), tmp_path / "double")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


class Stubborn(torch.nn.Module):
    def forward(self, x):
        return x * 2 if float(x.sum()) > 0 else x


def test_a_part_that_decides_by_numbers_is_refused_and_leaves_nothing(images, tmp_path):
    model = ctm.load("digits")
    plain = model.backbone.forward
    model.backbone.forward = lambda x: Stubborn()(plain(x))
    with pytest.raises(ConfigError, match="the part 'prepare' of this machine cannot be exported: ") as caught:
        ctm.export.to_onnx(model, images[:1], tmp_path / "stubborn")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


class Noisy(torch.nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


def test_a_part_with_random_numbers_is_refused_and_leaves_nothing(images, tmp_path):
    model = ctm.load("digits")
    plain = model.backbone.forward
    model.backbone.forward = lambda x: Noisy()(plain(x))
    with pytest.raises(ConfigError, match=r"answers otherwise than the machine, by .* without random numbers"):
        ctm.export.to_onnx(model, images[:1], tmp_path / "noisy")
    assert not list(tmp_path.iterdir())


def test_eight_bits_that_give_no_numbers_are_refused(model, images, tmp_path, monkeypatch):
    def broken(graph):
        import onnx

        for weight in graph.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT:
                weight.CopyFrom(
                    onnx.numpy_helper.from_array(np.full(tuple(weight.dims), np.nan, np.float32), weight.name)
                )
        return graph

    monkeypatch.setattr("ctm.export.files.with_int8_weights", broken)
    with pytest.raises(ConfigError, match="answers otherwise than the machine, by nan"):
        ctm.export.to_onnx(model, images[:1], tmp_path / "broken", int8=True)
    assert not list(tmp_path.iterdir())


def test_weights_that_a_file_cannot_hold_are_refused(model, images, tmp_path, monkeypatch):
    monkeypatch.setattr("ctm.export.files.LARGEST", 1000)
    with pytest.raises(ConfigError, match="GB of weights: expected 2 GB, which a file of ONNX can hold"):
        ctm.export.to_onnx(model, images[:1], tmp_path / "large")


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32, torch.float64, torch.bool])
def test_inputs_of_other_types(images, tmp_path, kind):
    model = ctm.load("digits")
    plain = model.backbone.forward
    model.backbone.forward = lambda x: plain(x.float())
    x = (images[:3] > 0).to(kind)
    ctm.export.to_onnx(model, x[:1], tmp_path / "typed")
    found = ctm.runtime.load(tmp_path / "typed", threads=1)(x.numpy())
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found.logits), model(x).logits, rtol=1e-4, atol=1e-4)


def test_the_learned_start_is_where_a_pass_begins(exported, images):
    loaded, x = ctm.runtime.load(exported, threads=1), images[:3].numpy()
    np.testing.assert_array_equal(loaded(x, state=loaded.start(3)).logits, loaded(x).logits)


def test_a_state_of_other_samples_is_refused(exported, images):
    loaded, x = ctm.runtime.load(exported, threads=1), images[:3].numpy()
    with pytest.raises(ValueError, match="state of 2 samples: expected 3, as many as x has"):
        loaded(x, state=loaded.start(2))
    with pytest.raises(ValueError, match="ticks = 0: expected at least 1"):
        loaded(x, ticks=0)


def test_a_rule_of_ones_own_says_when_to_stop(model, exported, images):
    loaded = ctm.runtime.load(exported, threads=1)
    found = loaded.think(images.numpy(), until=lambda certainty, answers, ticks: (certainty > 0.9) | (ticks >= 3))
    with torch.no_grad():
        expected = ctm.think(model, images, until=lambda certainty, answers, ticks: (certainty > 0.9) | (ticks >= 3))
    assert found.ticks.tolist() == expected.ticks.tolist()
    assert 1 < found.ticks.mean() <= 3
    with pytest.raises(ValueError, match="answer = 'sure': expected a certainty as until"):
        loaded.think(images.numpy(), until=lambda certainty, answers, ticks: ticks >= 3, answer="sure")
    for arguments, message in (({"answer": "best"}, "answer = 'best'"), ({"max_ticks": 0}, "max_ticks = 0")):
        with pytest.raises(ValueError, match=message):
            loaded.think(images.numpy(), **arguments)
