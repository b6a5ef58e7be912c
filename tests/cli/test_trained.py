import pytest
import torch

from cli.commands import contents, refused, said


@pytest.mark.parametrize("command", ["evaluate", "think", "figures", "reapply"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--device", "cuda"], "ctm: device = 'cuda': not on this machine, which has cpu"),
        (["--precision", "fp16"], "ctm: precision = 'fp16': needs a GPU; use 'bf16' or 'fp32'"),
    ],
    ids=" ".join,
)
def test_where_a_command_cannot_compute(trained, capsys, monkeypatch, command, options, message):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    before = contents(trained)
    assert refused(capsys, command, trained, *options) == message
    assert contents(trained) == before


def test_stopping_is_refused_there_as_well(trained, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "device = 'cuda': not on this" in refused(capsys, "evaluate", trained, "--until", "0.5", "--device", "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    "options", [["evaluate"], ["evaluate", "--until", "0.5"], ["think"], ["figures"]], ids=" ".join
)
def test_computing_on_a_gpu(run, capsys, options):
    command, *others = options
    assert said(capsys, command, run, *others, "--device", "cuda")
