"""Runs that learn pictures, from the first look at the data to an answer."""

import json
import re
import shutil

import pytest
import torch

import ctm
from cli.commands import contents, said
from ctm.cli import main
from ctm.tasks.images import Crop, Flip, Images, ResizedCrop
from ctm.tasks.images.known import CIFAR10
from ctm.training import Run, train
from tasks.images.made import folder_of, mixed_sizes, noise
from training.experiments import parity
from training.processes import everything, finish, start, wait_for

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


@pytest.mark.parametrize("workers", [0, 1])
def test_a_killed_run_ends_as_if_it_never_was(tmp_path, workers):
    settings = {"iterations": 24, "checkpoint_every": 3, "evaluate_every": 1000, "dropout": 0.1, "workers": workers}
    made = experiment(of_folder(mixed_sizes(tmp_path / "data")), **settings)
    whole, killed = (Run.create(tmp_path / name, made) for name in ("whole", "killed"))
    process = start(killed.path)
    wait_for(killed.path, 4)
    process.kill()
    process.join()
    assert everything(finish(killed.path)) == everything(finish(whole.path))


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
    given = ["train", "images/quick", "--task.data", path]
    assert said(capsys, *given, "--run", run, *settings.split()) == f"trained: {run}\n"
    task = Run.open(run).experiment.task
    assert task.learned.classes == ("blue", "green", "red")
    assert (task.learned.height, task.learned.width, task.learned.channels) == (16, 16, 3)
    assert main(["think", str(run), "--index", "0"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^answer: (blue|green|red)\ntruth: (blue|green|red)\n", out)


def test_what_the_data_made_of_a_model_is_said(tmp_path, capsys):
    path = folder_of(tmp_path / "data", {"blue": 9, "green": 9, "red": 9}, size=(8, 8))
    settings = "--model.ticks 2 --training.iterations 1 --training.batch-size 6 --training.accelerator cpu"
    lines = {
        "": "fitted to the data: model.readout.classes = 3",
        "--task.no-colours": "fitted to the data: model.backbone.input_channels = 1, model.readout.classes = 3",
        "--model.readout.classes 3": None,
        "--quiet": None,
    }
    for number, (more, line) in enumerate(lines.items()):
        out = said(
            capsys,
            "train",
            "images/quick",
            "--task.data",
            path,
            "--run",
            tmp_path / str(number),
            *f"{settings} {more}".split(),
        )
        found = [words for words in out.splitlines() if words.startswith("fitted")]
        assert found == ([] if line is None else [line])
        assert line is None or out.startswith(line)


def test_whole_pictures_with_batch_norm_measured_anew(tmp_path, capsys):
    path = mixed_sizes(tmp_path / "data")
    run, options = tmp_path / "run", "--task.size 8 --task.resize 9 --task.test-share 0.5 --model.ticks 2 --quiet"
    settings = f"{options} --training.iterations 2 --training.batch-size 6 --training.accelerator cpu"
    said(capsys, "train", "images/quick", "--task.data", path, "--run", run, *settings.split())
    before = contents(run)
    given = ["evaluate", run, "--json"]
    plain, whole, anew, more = (
        json.loads(said(capsys, *given, *options.split()))
        for options in ("", "--whole", "--whole --batch-norm 1", "--whole --batch-norm 2")
    )
    assert len({scores["loss"] for scores in (plain, whole, anew, more)}) == 4
    opened = Run.open(run)
    task, model = Images(opened.experiment.task, whole=True), opened.load_model()
    with torch.no_grad():
        losses = [task.loss(model(batch.inputs), batch.targets).item() for batch in task.evaluation("test", 9)]
    assert len(losses) == 9
    assert whole["loss"] == pytest.approx(sum(losses) / 9)
    ways = json.loads(said(capsys, *given, "--whole", "--batch-norm", "2", "--ways"))["ways"]
    assert [row["top_1"] for row in ways if row["way"] == "last"] == pytest.approx(more["accuracy_by_tick"])
    assert contents(run) == before


def curve(path, experiment, **training):
    """The losses of a run."""
    run = Run.create(path, experiment.replace(training=experiment.training.replace(**training)))
    finish(run.path)
    return torch.tensor([line["loss"] for line in run.metrics() if "split" not in line])


def check_two_processes(tmp_path, task):
    """What differs is the order in which gradients are added up."""
    made = experiment(task, iterations=6, batch_size=16, accumulate=2, log_every=1, evaluate_every=6)
    exact = [curve(tmp_path / f"fp32-{devices}", made, devices=devices) for devices in (1, 2)]
    assert len(exact[0].unique()) == 6
    torch.testing.assert_close(exact[1], exact[0], atol=1e-5, rtol=0)
    mixed = {"precision": "bf16", "recompute": True}
    rounded = [curve(tmp_path / f"bf16-{devices}", made, devices=devices, **mixed) for devices in (1, 2)]
    torch.testing.assert_close(rounded[1], rounded[0], atol=5e-3, rtol=0)
    torch.testing.assert_close(rounded[0], exact[0], atol=5e-2, rtol=0)


def test_two_processes_learn_pictures_as_one_does(tmp_path):
    """With micro-batches, bf16 and recomputation."""
    check_two_processes(tmp_path, of_folder(mixed_sizes(tmp_path / "data")))


def test_two_processes_learn_cifar_10_as_one_does(data, tmp_path):
    """The same on real pictures."""
    from pyarrow import parquet

    table = parquet.read_table(data / "cifar10" / "test.parquet")[:400]
    parquet.write_table(table, tmp_path / "some.parquet")
    augmentations = (ResizedCrop(8), Crop(1), Flip())
    check_two_processes(
        tmp_path, CIFAR10.replace(data=str(tmp_path / "some.parquet"), size=8, augmentations=augmentations)
    )
