"""Runs, checkpoints and saved models of older versions are read, or say which version to use."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import ctm
from ctm import RunError
from ctm.hub import open_trained

VERSIONS = sorted((Path(__file__).parents[1] / "fixtures" / "versions").iterdir())
SIGNS = torch.tensor([[1.0, -1, -1, 1, -1], [1, 1, 1, -1, 1]])


@pytest.mark.parametrize("source", ["run", "model.safetensors", "run/checkpoints/00000012"])
@pytest.mark.parametrize("version", VERSIONS, ids=lambda folder: folder.name)
def test_what_older_versions_wrote_gives_the_same_answers(version, source):
    expected = load_file(version / "answers.safetensors")["logits"]
    for model in (ctm.load(version / source), open_trained(version / source).load_model()):
        with torch.no_grad():
            torch.testing.assert_close(model(SIGNS).logits, expected, rtol=1e-4, atol=1e-4)


def test_a_run_that_cannot_be_read_says_which_version_made_it(tmp_path):
    run = shutil.copytree(VERSIONS[0] / "run", tmp_path / "run")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("length: 5", "size: 5"))
    with pytest.raises(RunError, match=r"size: no such field.* \(made by continuous-thought-machines==0\.1\.0,"):
        ctm.load(run)
