"""Saved models: what is written is what is read, and nothing of it runs."""

import copy
import json
import pickle
import stat

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import ctm
from ctm import CheckpointError, ConfigError, ContinuousThoughtMachine
from ctm.saving import CONFIG, WEIGHTS, SavedModel
from machines import inputs_for, machine_configs, perturbed, readouts
from plugin_files import write

PART = '''"""Neurons that average what they hear."""

import pathlib
from dataclasses import dataclass

import torch

import ctm

pathlib.Path(__file__).with_name("was_run").touch()


class Mean(ctm.HistoryModel):
    @dataclass(frozen=True)
    class Config(ctm.NeuronModelConfig, kind="mean_of_history"):
        def build(self, neurons, memory):
            return Mean()

    def forward(self, history):
        return torch.tanh(history.mean(-1))
'''


@pytest.fixture
def model():
    torch.manual_seed(1)
    return perturbed(ctm.build("digits")).eval()


def same(first, second, *inputs):
    with torch.no_grad():
        return all(map(torch.equal, first(*inputs)[:2], second(*inputs)[:2]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=machine_configs(readout=readouts()), as_file=st.booleans(), seed=st.integers(0, 9))
def test_any_machine_is_read_as_it_was_saved(tmp_path_factory, config, as_file, seed):
    torch.manual_seed(seed)
    model, folder = perturbed(config.build()).eval(), tmp_path_factory.mktemp("saved")
    path = folder / "m.safetensors" if as_file else folder / "m"
    model.save(path) if as_file else model.save_pretrained(path)
    state = torch.get_rng_state()
    again = ContinuousThoughtMachine.from_pretrained(path)
    assert torch.equal(torch.get_rng_state(), state)
    assert again.config == config
    assert not again.training
    x = inputs_for(config, 2)
    assert same(model, again, *(x if isinstance(x, tuple) else (x,)))


def test_a_folder_has_what_the_hub_expects(model, tmp_path):
    model.save_pretrained(tmp_path / "m")
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["README.md", CONFIG, WEIGHTS]
    content = json.loads((tmp_path / "m" / CONFIG).read_text())
    assert content["format"] == "continuous-thought-machine"
    assert (content["version"], content["made_by"], content["plugins"]) == (1, ctm.__version__, [])
    assert ctm.MachineConfig.from_dict(content["machine"]) == model.config
    assert load_file(tmp_path / "m" / WEIGHTS).keys() == model.state_dict().keys()
    card = (tmp_path / "m" / "README.md").read_text()
    assert "library_name: continuous-thought-machines" in card
    assert "ctm.load(" in card
    assert "kind: conv_net" in card


def test_a_single_file_has_its_configuration_in_itself(model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["m.safetensors"]
    with safe_open(tmp_path / "m.safetensors", "pt") as opened:
        assert json.loads(opened.metadata()["config"])["machine"] == model.config.to_dict()
    (tmp_path / "other").touch()
    assert stat.S_IMODE((tmp_path / "m.safetensors").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "other").stat().st_mode
    )


def test_half_the_numbers_are_read_in_float32(model, tmp_path):
    model.save(tmp_path / "m.safetensors", dtype=torch.float16)
    assert load_file(tmp_path / "m.safetensors")["readout.linear.weight"].dtype == torch.float16
    again = ContinuousThoughtMachine.from_pretrained(tmp_path / "m.safetensors")
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    wanted = model.readout.linear.weight.half().float()
    assert torch.equal(again.readout.linear.weight, wanted)


def test_an_edited_configuration_counts(model, tmp_path):
    model.save_pretrained(tmp_path / "m")
    path = tmp_path / "m" / CONFIG
    path.write_text(path.read_text().replace('"ticks": 15', '"ticks": 3'))
    assert ContinuousThoughtMachine.from_pretrained(tmp_path / "m").config.ticks == 3


def test_copies_and_pickles_can_be_saved(model, tmp_path):
    for number, other in enumerate((copy.deepcopy(model), pickle.loads(pickle.dumps(model)))):
        other.save(tmp_path / f"{number}.safetensors")
        assert same(
            model, ContinuousThoughtMachine.from_pretrained(tmp_path / f"{number}.safetensors"), torch.randn(2, 1, 8, 8)
        )


def test_a_name_or_folder_that_cannot_be_is_refused_before_anything_is_written(model, tmp_path):
    with pytest.raises(ConfigError, match=r"m\.pt: expected a name that ends in \.safetensors"):
        model.save(tmp_path / "m.pt")
    with pytest.raises(ConfigError, match="there is no folder"):
        model.save(tmp_path / "no" / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_crash_leaves_the_file_that_was_there(model, tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    path.write_text("before")

    def crash(*_):
        raise OSError("crash")

    monkeypatch.setattr("os.replace", crash)
    with pytest.raises(OSError, match="crash"):
        model.save(path)
    assert path.read_text() == "before"


def changed(path, **fields):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **fields}))


@pytest.mark.parametrize(
    ("break_it", "error", "message"),
    [
        (lambda m: (m / WEIGHTS).unlink(), CheckpointError, r"model\.safetensors: no such file"),
        (lambda m: (m / WEIGHTS).write_bytes(b"\x08" * 30), CheckpointError, r"model\.safetensors: broken weights"),
        (lambda m: (m / CONFIG).unlink(), CheckpointError, "expected its configuration in its metadata, or in config"),
        (lambda m: (m / CONFIG).write_text("{"), CheckpointError, "expected its configuration in its metadata"),
        (lambda m: (m / CONFIG).write_text("[1]"), CheckpointError, r"config\.json: not of a model that this library"),
        (lambda m: changed(m / CONFIG, format="bert"), CheckpointError, "not of a model that this library saved"),
        (
            lambda m: changed(m / CONFIG, version=2, made_by="7.0"),
            CheckpointError,
            r"version = 2: expected 1; made by continuous-thought-machines==7\.0, this is .*: install",
        ),
        (
            lambda m: changed(m / CONFIG, machine={"ticks": 3}, made_by="0.0.9"),
            ConfigError,
            r"machine\.\w+: missing; .*\(made by continuous-thought-machines==0\.0\.9, this is",
        ),
        (lambda m: changed(m / CONFIG, machine=None), ConfigError, "machine = None: expected a mapping"),
        (
            lambda m: save_file({"a": torch.ones(1)}, m / WEIGHTS),
            CheckpointError,
            "does not fit its configuration: a is unexpected",
        ),
    ],
)
def test_what_is_broken_is_one_line(model, tmp_path, break_it, error, message):
    model.save_pretrained(tmp_path / "m")
    break_it(tmp_path / "m")
    with pytest.raises(error, match=message) as caught:
        ContinuousThoughtMachine.from_pretrained(tmp_path / "m")
    assert "\n" not in str(caught.value)


class TestPartsOfOthers:
    """A model with a part that a user's file defines runs no code by itself."""

    @pytest.fixture(autouse=True)
    def _new(self, new_process):
        self.new_process = new_process

    @pytest.fixture
    def saved(self, tmp_path):
        (tmp_path / "mine").mkdir()
        file = write(tmp_path / "mine" / "my_part.py", PART)
        ctm.plugins.load(file)
        config = ctm.preset("digits").model
        model = config.replace(core=config.core.replace(models=_mean())).build().eval()
        model.save_pretrained(tmp_path / "m")
        model.save(tmp_path / "m.safetensors")
        (tmp_path / "mine" / "was_run").unlink()
        self.new_process()
        return model

    def test_it_is_refused_unless_it_is_trusted(self, saved, tmp_path):
        for name in ("m", "m.safetensors"):
            with pytest.raises(CheckpointError, match=r"my_part\.py defines, which is not run by itself: .*--import"):
                ContinuousThoughtMachine.from_pretrained(tmp_path / name)
        assert not list(tmp_path.rglob("was_run"))

    def test_the_file_beside_it_is_run_if_it_is_trusted(self, saved, tmp_path):
        again = ContinuousThoughtMachine.from_pretrained(tmp_path / "m", trust_remote_code=True)
        assert same(saved, again, torch.ones(1, 1, 8, 8))
        assert (tmp_path / "m" / "was_run").exists()

    def test_a_file_that_was_changed_is_not_run(self, saved, tmp_path):
        (tmp_path / "m" / "my_part.py").write_text(PART + "\n")
        with pytest.raises(CheckpointError, match=r"my_part\.py: has changed since the model was saved"):
            ContinuousThoughtMachine.from_pretrained(tmp_path / "m", trust_remote_code=True)
        assert not list(tmp_path.rglob("was_run"))

    def test_a_name_that_leads_out_of_the_folder_does_not(self, saved, tmp_path):
        content = json.loads((tmp_path / "m" / CONFIG).read_text())
        (entry,) = content["plugins"]
        changed(tmp_path / "m" / CONFIG, plugins=[{**entry, "file": str(tmp_path / "mine" / "my_part.py")}])
        (tmp_path / "m" / "my_part.py").unlink()
        with pytest.raises(CheckpointError, match=r"m/my_part\.py: no such file"):
            ContinuousThoughtMachine.from_pretrained(tmp_path / "m", trust_remote_code=True)
        assert not list(tmp_path.rglob("was_run"))

    def test_what_was_imported_before_needs_no_trust(self, saved, tmp_path):
        ctm.plugins.load(tmp_path / "mine" / "my_part.py")
        for name in ("m", "m.safetensors"):
            assert same(saved, ContinuousThoughtMachine.from_pretrained(tmp_path / name), torch.ones(1, 1, 8, 8))

    def test_nothing_of_this_machine_is_told(self, saved, tmp_path):
        assert str(tmp_path) not in (tmp_path / "m" / CONFIG).read_text()
        assert str(tmp_path) not in (tmp_path / "m" / "README.md").read_text()


def _mean():
    return ctm.NeuronModelConfig.kinds()["mean_of_history"]()


def test_opening_reads_no_weights(model, tmp_path, monkeypatch):
    model.save_pretrained(tmp_path / "m")
    monkeypatch.setattr("ctm.saving.read_tensors", lambda *_: pytest.fail("weights were read"))
    assert SavedModel.open(tmp_path / "m").content["machine"]["ticks"] == 15
