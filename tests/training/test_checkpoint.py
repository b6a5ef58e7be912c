import os

import pytest
import torch

from ctm import files
from ctm.training.checkpoint import checkpoints, prune, save_checkpoint


def save(folder, iteration):
    return save_checkpoint(folder, {"weight": torch.ones(2)}, {"step": torch.ones(1)}, {"iteration": iteration})


def test_checkpoints_are_listed_oldest_first(tmp_path):
    for iteration in (100, 5, 123_456_789):
        save(tmp_path, iteration)
    assert [checkpoint.iteration for checkpoint in checkpoints(tmp_path)] == [5, 100, 123_456_789]


def test_a_crash_before_the_renaming_leaves_the_checkpoint_before_it(tmp_path, monkeypatch):
    save(tmp_path, 1)
    with monkeypatch.context() as crashing:
        crashing.setattr(os, "rename", lambda *_: _crash())
        with pytest.raises(OSError, match="crash"):
            save(tmp_path, 2)
    assert [checkpoint.iteration for checkpoint in checkpoints(tmp_path)] == [1]
    save(tmp_path, 2)
    assert checkpoints(tmp_path)[-1].tensors("model.safetensors", {"weight": torch.empty(2)})
    assert sorted(os.listdir(tmp_path)) == ["00000001", "00000002"]


def test_a_crash_while_pruning_leaves_no_half_checkpoint(tmp_path, monkeypatch):
    for iteration in range(3):
        save(tmp_path, iteration)
    with monkeypatch.context() as crashing:
        crashing.setattr("shutil.rmtree", lambda *_, ignore_errors=False: ignore_errors or _crash())
        with pytest.raises(OSError, match="crash"):
            prune(tmp_path, keep=2, best=2)
    assert [checkpoint.iteration for checkpoint in checkpoints(tmp_path)] == [1, 2]
    prune(tmp_path, keep=2, best=2)
    assert sorted(os.listdir(tmp_path)) == ["00000001", "00000002"]


def _crash():
    raise OSError("crash")


def test_the_latest_and_the_best_stay(tmp_path):
    for iteration in range(6):
        save(tmp_path, iteration)
    prune(tmp_path, keep=2, best=1)
    assert [checkpoint.iteration for checkpoint in checkpoints(tmp_path)] == [1, 4, 5]


def test_windows_has_no_folders_to_wait_for(tmp_path, monkeypatch):
    """There, a folder cannot be opened, and a file that is to be written to the disk must be open for writing."""
    opening = os.open

    def open_on_windows(path, flags):
        if os.path.isdir(path) or not flags & os.O_RDWR:
            raise PermissionError(path)
        return opening(path, flags)

    with monkeypatch.context() as windows:
        windows.setattr(os, "open", open_on_windows)
        windows.setattr(files, "ON_WINDOWS", True)
        save(tmp_path, 1)
        files.write_atomically(tmp_path / "text", "text")
    assert [checkpoint.iteration for checkpoint in checkpoints(tmp_path)] == [1]
    assert (tmp_path / "text").read_text() == "text"
