"""A finished run of parity, made once by the command line."""

import shutil

import numpy as np
import pytest

from cli.commands import TINY
from ctm.cli import main


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A finished run, only to be read."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "parity/quick", "--run", str(run), *TINY]) == 0
    return run


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, to be changed."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(autouse=True)
def _places(monkeypatch):
    """Neurons at random places: UMAP takes its time to start."""
    random = np.random.default_rng(0)
    monkeypatch.setattr("ctm.training.report.neuron_map", lambda activity: random.normal(size=(activity.shape[-1], 2)))
