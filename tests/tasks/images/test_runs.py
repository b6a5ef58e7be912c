"""Runs that learn pictures, from the first look at the data to an answer."""

import re
import shutil

import ctm
from ctm.cli import main
from ctm.tasks.images import Crop, Flip, Images, ResizedCrop
from ctm.training import Run, train
from tasks.images.made import folder_of, mixed_sizes, noise
from training.experiments import parity

AUGMENTED = (ResizedCrop(8), Crop(1), Flip())


def of_folder(path):
    return Images.Config(data=str(path), size=8, augmentations=AUGMENTED)


def experiment(task, **training):
    """A tiny machine that learns pictures of 8x8 pixels; it has no batch norm."""
    base = parity(**training)
    model = base.model.replace(
        backbone=ctm.Identity.Config(channels=3, dimensions=2),
        observer=ctm.CrossAttention.Config(8, 2),
        readout=ctm.ClassReadout.Config(2),
    )
    return base.replace(task=task, model=model).fitted()


def test_a_model_answers_after_its_data_are_gone(tmp_path, capsys):
    path = mixed_sizes(tmp_path / "data")
    run = Run.create(tmp_path / "run", experiment(of_folder(path), iterations=1))
    train(run, quiet=True)
    shutil.rmtree(path)
    noise(50, 40).save(tmp_path / "photo.jpg")
    assert main(["think", str(run.path), "--input", str(tmp_path / "photo.jpg")]) == 0
    answer, _, _ = capsys.readouterr().out.splitlines()
    assert answer.removeprefix("answer: ") in ("a", "b", "c")
    assert main(["evaluate", str(run.path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ctm: {path}: no such folder")


def test_a_folder_is_learned_from_the_command_line(tmp_path, capsys):
    path = folder_of(tmp_path / "my pictures", {"blue": 10, "green": 10, "red": 10}, size=(16, 16))
    run = tmp_path / "run"
    settings = "--model.ticks 2 --training.iterations 3 --training.batch-size 6 --training.accelerator cpu --quiet"
    assert main(["train", "images/quick", "--task.data", str(path), "--run", str(run), *settings.split()]) == 0
    assert capsys.readouterr().err == ""
    task = Run.open(run).experiment.task
    assert task.learned.classes == ("blue", "green", "red")
    assert (task.learned.height, task.learned.width, task.learned.channels) == (16, 16, 3)
    assert main(["think", str(run), "--index", "0"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^answer: (blue|green|red)\ntruth: (blue|green|red)\n", out)
