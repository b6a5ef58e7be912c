import json

import numpy as np
import pytest
import torch

from cli.commands import refused, said
from ctm.cli import main
from ctm.training import Run


@pytest.fixture(name="digits", scope="module")
def _digits(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "digits"
    options = ("--training.iterations", "1", "--model.ticks", "2", "--training.accelerator", "cpu")
    assert main(["train", "digits", "--run", str(run), *options, "--quiet"]) == 0
    targets = torch.cat([batch.targets for batch in Run.open(run).experiment.task.build().evaluation("test", 100)])
    np.save(run / "labels.npy", np.eye(10)[targets])
    np.savez(run / "models.npz", predictions=targets.numpy()[None], labels=targets.numpy())
    return run


def test_models_beside_people(digits, tmp_path, capsys):
    files = ("--labels", digits / "labels.npy", "--difficulty", digits / "models.npz", "--output", tmp_path / "out")
    title, model, people, *paths = said(capsys, "humans", digits, *files).splitlines()
    assert title.split() == ["accuracy", "calibration", "error", "uncertainty", "correlation"]
    assert model.startswith("digits ")
    assert people.split()[:3] == ["people", "1.0000", "0.0000"]
    assert paths == [
        str(tmp_path / "out" / f"people-{name}.png") for name in ("calibration", "uncertainty", "difficulty")
    ]
    assert all((tmp_path / "out" / path).stat().st_size > 1000 for path in paths)
    found = json.loads(said(capsys, "humans", digits, *files[:2], "--output", tmp_path / "other", "--json"))
    assert found["models"]["people"]["accuracy"] == 1
    assert [path.name for path in sorted((tmp_path / "other").iterdir())] == [
        "people-calibration.png",
        "people-uncertainty.png",
    ]


def test_mistakes_are_one_line(digits, tmp_path, capsys):
    assert "humans: name the runs" in refused(capsys, "humans", "--labels", digits / "labels.npy")
    assert "nowhere.npy: no such file" in refused(capsys, "humans", digits, "--labels", tmp_path / "nowhere.npy")
    assert not (tmp_path / "runs").exists()
