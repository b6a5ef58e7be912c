"""`ctm export`, `ctm convert` and `ctm push`: trained models for others, from the command line."""

import json
import re
import shutil

import jaxtyping
import numpy as np
import pytest
import torch

import ctm
import ctm.runtime
from cli.commands import contents, refused, said
from reference.files import FIXTURES


@pytest.fixture(autouse=True)
def _traceable(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def test_a_run_is_exported_and_thinks(trained, tmp_path, capsys):
    assert said(capsys, "export", trained, tmp_path / "out") == f"exported: {tmp_path / 'out'}\n"
    x = np.array([[1, -1, -1, 1]], np.float32)
    found = ctm.runtime.load(tmp_path / "out", threads=1)(x)
    with torch.no_grad():
        expected = ctm.load(trained)(torch.from_numpy(x))
    torch.testing.assert_close(torch.from_numpy(found.logits), expected.logits, rtol=1e-4, atol=1e-4)


def test_an_agent_of_the_package_in_one_file(tmp_path, capsys):
    said(capsys, "export", "cartpole/quick", tmp_path / "agent.onnx")
    found = ctm.runtime.load(tmp_path / "agent.onnx", threads=1)(np.zeros((3, 4), np.float32))
    assert found.logits.shape == (3, 2, 3)


def test_eight_bits_say_what_they_cost(tmp_path, capsys):
    *_, line = said(capsys, "export", "digits", tmp_path / "small", "--int8").splitlines()
    found = re.fullmatch(r"accuracy of 144 validation samples: (0\.\d+) in float32, (0\.\d+) in eight bits", line)
    assert found
    assert float(found[1]) > 0.97
    assert abs(float(found[1]) - float(found[2])) < 0.03
    about = json.loads((tmp_path / "small" / "machine.json").read_text())["about"]
    learned = about["task"]["learned"]
    assert (learned["classes"], learned["mean"], learned["deviation"]) == (list("0123456789"), [0.5], [0.5])
    assert "not scored: it acts" in said(capsys, "export", "cartpole/quick", tmp_path / "agent", "--int8")


def test_data_that_are_elsewhere_leave_the_score_out(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    said_of_it = said(capsys, "export", "cifar10/quick", "small", "--int8")
    assert "not scored: " in said_of_it
    x = np.zeros((2, 3, 32, 32), np.float32)
    assert ctm.runtime.load("small", threads=1)(x).logits.shape == (2, 10, 10)


def test_what_is_there_stays(trained, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    assert "out: exists already" in refused(capsys, "export", trained, tmp_path / "out")
    assert "no such file or folder" in refused(capsys, "export", tmp_path / "none", tmp_path / "new")


def test_a_run_as_one_file_for_a_colleague(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = contents(trained)
    said(capsys, "convert", trained, "mine.safetensors")
    assert said(capsys, "evaluate", "mine.safetensors") == said(capsys, "evaluate", trained)
    assert "answer: " in said(capsys, "think", "mine.safetensors", "--index", "2")
    assert [path.name for path in (tmp_path / "figures" / "mine").iterdir()] == ["think-2.gif"]
    said(capsys, "convert", "mine.safetensors", "half", "--numbers", "bfloat16", "--license", "mit")
    assert "license: mit" in (tmp_path / "half" / "README.md").read_text()
    assert contents(trained) == before
    assert "not a run: it has no config.yaml" in refused(capsys, "figures", "mine.safetensors")
    assert "checkpoint = 'last'" in refused(capsys, "evaluate", "mine.safetensors", "--checkpoint", "last")


def test_weights_of_the_authors_are_converted(tmp_path, capsys):
    theirs = FIXTURES / "parity_semidense" / "model.safetensors"
    arguments = json.loads(theirs.with_name("config.json").read_text())["config"]
    for name, given in (("file", theirs), ("folder", tmp_path / "repository")):
        if given.suffix == "":
            given.mkdir()
            shutil.copy(theirs, given)
            (given / "config.json").write_text(json.dumps(arguments))
        said(capsys, "convert", given, tmp_path / name, "--config", json.dumps(arguments))
        card = (tmp_path / name / "README.md").read_text()
        assert f"Weights of the paper's authors, converted from `{given.name}`." in card
        expected = ctm.reference.load(given, arguments).state_dict()
        found = ctm.load(tmp_path / name).state_dict()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert "its task is not known" in refused(capsys, "evaluate", tmp_path / "file")


def test_arguments_that_are_none_are_refused(trained, tmp_path, capsys):
    assert "expected arguments by name" in refused(capsys, "convert", trained, tmp_path / "m", "--config", "3")
    assert "not YAML" in refused(capsys, "convert", trained, tmp_path / "m", "--config", "{")
    assert not (tmp_path / "m").exists()


def test_pushing_without_a_network_is_one_line(trained, capsys, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", refuse)
    assert "someone/model: not written: no network" in refused(capsys, "push", trained, "someone/model")
