"""A trained model is found wherever it is, and saved with all that is known of it."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import ctm
from ctm import CheckpointError, ConfigError, RunError
from ctm.hub import open_trained, push, save
from ctm.hub.load import read_weights
from ctm.hub.source import SavedRun
from ctm.saving import CONFIG, WEIGHTS
from ctm.training import Run, train
from plugin_files import TASK, write
from reference.files import FIXTURES
from training.experiments import parity

SIGNS = torch.tensor([[1.0, -1, -1, 1, -1], [1, 1, 1, -1, 1]])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Run:
    """A finished run, only to be read."""
    path = tmp_path_factory.mktemp("runs") / "trained"
    run = Run.create(path, parity(keep=9), origin={"preset": "mine", "settings": {"training.seed": 0}})
    train(run, quiet=True)
    run.figures.mkdir()
    (run.figures / "training.png").write_bytes(b"a picture")
    return run


def logits(model):
    with torch.no_grad():
        return model(SIGNS).logits


def in_the_cache(cache: Path, name: str, folder: Path) -> None:
    """A repository as the hub's library keeps one that was downloaded."""
    commit = hashlib.sha1(name.encode()).hexdigest()
    repository = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)


@pytest.mark.parametrize("kind", ["run", "checkpoint", "file", "folder", "repository"])
def test_a_model_is_found_wherever_it_is(trained, tmp_path, kind):
    where = {}
    if kind == "run":
        source = trained.path
    elif kind == "checkpoint":
        source = trained.best().path
    elif kind == "file":
        source = save(trained.path, tmp_path / "m.safetensors")
    elif kind == "folder":
        source = save(trained.path, tmp_path / "m")
    else:
        in_the_cache(tmp_path / "cache", "someone/model", save(trained.path, tmp_path / "m"))
        source, where = "someone/model", {"cache_dir": tmp_path / "cache", "local_files_only": True}
    expected = logits(trained.load_model())
    for load in (ctm.load, ctm.from_pretrained):
        model = load(source, **where)
        assert torch.equal(logits(model), expected)
        assert not model.training
    opened = open_trained(source, **where)
    assert opened.experiment == trained.experiment
    assert torch.equal(logits(opened.load_model()), expected)
    assert opened.thinking(2).load_model()(SIGNS).ticks == 2
    assert isinstance(opened, Run) == (kind == "run")


def test_the_last_checkpoint_of_a_run(trained, tmp_path):
    last = logits(trained.load_model("last"))
    assert torch.equal(logits(ctm.load(trained.path, which="last")), last)
    assert torch.equal(logits(ctm.load(save(trained.path, tmp_path / "m.safetensors", which="last"))), last)
    with pytest.raises(RunError, match="checkpoint = 'last': expected 'best'"):
        open_trained(tmp_path / "m.safetensors").load_model("last")


def test_what_is_saved_again_keeps_what_is_known_of_it(trained, tmp_path):
    first = save(trained.path, tmp_path / "first")
    second = save(save(first, tmp_path / "second.safetensors"), tmp_path / "third")
    contents = [json.loads((folder / CONFIG).read_text()) for folder in (first, second)]
    assert contents[0] == contents[1]
    assert contents[0]["preset"] == "mine"
    assert (first / WEIGHTS).read_bytes() == (second / WEIGHTS).read_bytes()


def test_the_card_of_a_run(trained, tmp_path):
    folder = save(trained.path, tmp_path / "m", license="mit")
    card = (folder / "README.md").read_text()
    *_, line = (line for line in trained.metrics() if line.get("checkpoint") == "best")
    assert "license: mit" in card
    assert "# mine" in card
    assert "Trained on the task `parity` by `ctm train mine` with `--training.seed 0`." in card
    assert f"| whole accuracy | {line['whole_accuracy']:.4g} |" in card
    assert "accuracy by tick" not in card
    assert "![training](training.png)" in card
    assert (folder / "training.png").read_bytes() == b"a picture"
    assert "darlow2025continuous" in card
    assert "Its maker states none" not in card
    assert "Its maker states none" in (save(trained.path, tmp_path / "other") / "README.md").read_text()


def test_the_scores_are_those_of_the_checkpoint_that_is_saved(tmp_path):
    run = Run.create(tmp_path / "run", parity(iterations=12, checkpoint_every=6))
    train(run, quiet=True)
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    scores = {"best": 0.75, "last": 0.25}
    for line in lines:
        if line.get("split") == "test":
            line["whole_accuracy"] = scores[line["checkpoint"]]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for which, score in scores.items():
        content = json.loads((save(run.path, tmp_path / which, which=which) / CONFIG).read_text())
        assert content["scores"]["whole_accuracy"] == score


def test_an_empty_folder_is_filled_also_where_a_rename_replaces_nothing(trained, tmp_path, monkeypatch):
    rename = os.rename

    def strict(source, destination):  # as on Windows
        assert not Path(destination).exists()
        rename(source, destination)

    monkeypatch.setattr(os, "rename", strict)
    (tmp_path / "m").mkdir()
    assert (save(trained.path, tmp_path / "m") / WEIGHTS).exists()


def test_a_run_that_has_not_ended_is_saved_without_scores(tmp_path):
    run = Run.create(tmp_path / "run", parity(iterations=12, checkpoint_every=6))
    train(run, quiet=True)
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    (run.path / "metrics.jsonl").write_text("\n".join(line for line in lines if '"test"' not in line) + "\n")
    content = json.loads((save(run.path, tmp_path / "m") / CONFIG).read_text())
    assert content["scores"] == {}
    assert "preset" not in content
    assert "## Scores" not in (tmp_path / "m" / "README.md").read_text()


def test_paths_of_this_machine_stay_here(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 2)
    experiment = ctm.preset("arrays")
    experiment = experiment.replace(task=experiment.task.replace(train=str(tmp_path / "mine.npz"))).fitted()
    quick = experiment.training.replace(iterations=1, accelerator="cpu")
    run = Run.create(tmp_path / "run", experiment.replace(training=quick))
    train(run, quiet=True)
    folder = save(run.path, tmp_path / "m")
    for file in (CONFIG, "README.md"):
        assert str(tmp_path) not in (folder / file).read_text()
    assert open_trained(folder).experiment.task.train == "mine.npz"


def test_a_destination_that_is_taken_stays_as_it_is(trained, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="m: exists already; expected a new folder"):
        save(trained.path, tmp_path / "m")
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["mine"]


def test_a_name_of_another_kind_of_file_is_refused(trained, tmp_path):
    with pytest.raises(ConfigError, match=r"m\.pt: expected NAME\.safetensors or a new folder"):
        save(trained.path, tmp_path / "m.pt")
    assert not list(tmp_path.iterdir())


def test_weights_alone_can_be_read(trained, tmp_path):
    expected = trained.load_model().state_dict()
    for source in (
        trained.path,
        trained.best().path,
        trained.best().path / WEIGHTS,
        save(trained.path, tmp_path / "m"),
    ):
        found = read_weights(source)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no_such", r"no_such: no such file or folder; expected a run, .* user/name; in the package are .*digits"),
        ("digit", "did you mean 'digits'"),
        ("runs/no_such", "runs/no_such: no such file or folder; expected a run"),
        ("some one/else", "no such file or folder; expected a run"),
        ("no_such/thing.pt", "no such file or folder"),
    ],
)
def test_what_is_not_there_is_one_line(tmp_path, monkeypatch, source, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for function in (ctm.load, open_trained):
        with pytest.raises(CheckpointError, match=message) as caught:
            function(source)
        assert "\n" not in str(caught.value)


def test_a_folder_of_something_else_is_no_model(tmp_path):
    with pytest.raises(RunError, match=r"not a run: it has no config\.yaml, and is no saved model"):
        open_trained(tmp_path)
    with pytest.raises(CheckpointError):
        ctm.load(tmp_path)


def test_a_checkpoint_outside_its_run_is_refused(trained, tmp_path):
    alone = shutil.copytree(trained.best().path, tmp_path / "a" / "b" / "00000012")
    with pytest.raises(RunError, match=r"a checkpoint outside its run: there is no config\.yaml two folders above"):
        ctm.load(alone)


def test_a_model_alone_has_no_task(tmp_path):
    parity().model.build().save(tmp_path / "m.safetensors")
    with pytest.raises(RunError, match=r"a model alone: its task is not known; ctm\.load"):
        open_trained(tmp_path / "m.safetensors")
    assert "experiment" not in json.loads((save(tmp_path / "m.safetensors", tmp_path / "m") / CONFIG).read_text())


def test_a_path_comes_before_a_name_in_the_package_if_it_is_a_model(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert isinstance(open_trained("digits"), SavedRun)
    save(trained.path, tmp_path / "other")
    shutil.copytree(tmp_path / "other", tmp_path / "digits", dirs_exist_ok=True)
    assert open_trained("digits").experiment == trained.experiment


def test_pictures_of_a_saved_model_go_where_the_user_is(trained, tmp_path):
    assert open_trained(save(trained.path, tmp_path / "m.safetensors")).figures == Path("figures") / "m"
    assert open_trained("parity/quick").figures == Path("figures") / "parity-quick"
    assert open_trained(trained.path).figures == trained.path / "figures"


def test_pushing_writes_the_folder_of_a_saved_model(trained, tmp_path, monkeypatch):
    seen = {}

    def upload(self, *, repo_id, folder_path, commit_message):
        shutil.copytree(folder_path, tmp_path / "uploaded")
        seen.update(repository=repo_id, message=commit_message)
        return f"https://somewhere/{repo_id}"

    def create(self, repository, *, private, exist_ok):
        seen.update(private=private, exist_ok=exist_ok)
        return type("Url", (), {"repo_id": repository})

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", create)
    monkeypatch.setattr("huggingface_hub.HfApi.upload_folder", upload)
    assert push(trained.path, "someone/model", private=True, license="mit") == "https://somewhere/someone/model"
    assert seen == {
        "repository": "someone/model",
        "message": "A trained model",
        "private": True,
        "exist_ok": True,
    }
    assert torch.equal(logits(ctm.load(tmp_path / "uploaded")), logits(trained.load_model()))
    assert "license: mit" in (tmp_path / "uploaded" / "README.md").read_text()


def test_a_hub_that_refuses_is_one_line(trained, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no\nnetwork")

    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", refuse)
    with pytest.raises(CheckpointError, match="someone/model: not written: no network"):
        push(trained.path, "someone/model")
    with pytest.raises(CheckpointError, match="not a name: not written: "):
        push(trained.path, "not a name")


def test_a_crash_while_saving_leaves_nothing(trained, tmp_path, monkeypatch):
    def crash(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as crashing:
        crashing.setattr("huggingface_hub.ModelCard.save", crash)
        with pytest.raises(KeyboardInterrupt):
            save(trained.path, tmp_path / "m")
    assert not list(tmp_path.iterdir())
    (tmp_path / "m").mkdir()
    assert save(trained.path, tmp_path / "m") == tmp_path / "m"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("plugins", "my.py", "plugins = 'my.py': expected a list"),
        ("plugins", ["my.py"], "plugins: 'my.py': expected the name of a file or a module"),
        ("plugins", [{"file": 3}], "expected the name of a file or a module"),
        ("experiment", [1], r"experiment = \[1\]: expected an object"),
        ("scores", 0.9, r"scores = 0\.9: expected an object"),
    ],
)
def test_a_configuration_that_somebody_broke_is_one_line(trained, tmp_path, field, value, message):
    folder = save(trained.path, tmp_path / "m")
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, field: value}))
    for function in (ctm.load, open_trained, lambda source: save(source, tmp_path / "again")):
        with pytest.raises(CheckpointError, match=message):
            function(folder)
    assert not (tmp_path / "again").exists()


def test_where_converted_weights_come_from_is_kept(tmp_path):
    theirs = shutil.copytree(FIXTURES / "parity_semidense", tmp_path / "theirs")
    arguments = json.loads((theirs / CONFIG).read_text())["config"]
    (theirs / CONFIG).write_text(json.dumps(arguments))
    again = save(save(theirs, tmp_path / "first.safetensors"), tmp_path / "second")
    assert json.loads((again / CONFIG).read_text())["converted_from"] == "theirs"
    assert "Weights of the paper's authors, converted from `theirs`." in (again / "README.md").read_text()


class TestTasksOfOthers:
    """A saved model whose task a user's file defines names the file, and takes it along."""

    @pytest.fixture
    def saved(self, tmp_path, new_process):
        (tmp_path / "mine").mkdir()
        experiment = ctm.preset(str(write(tmp_path / "mine" / "my_task.py", TASK)))
        run = Run.create(tmp_path / "run", experiment)
        train(run, quiet=True)
        folder = save(run.path, tmp_path / "m")
        new_process()
        return folder

    def test_it_is_refused_unless_it_is_trusted(self, saved, tmp_path):
        with pytest.raises(CheckpointError, match=r"my_task\.py defines, which is not run by itself"):
            open_trained(saved)
        assert open_trained(saved, trust_remote_code=True).experiment.task.kind == "larger"

    def test_its_model_alone_needs_nothing(self, saved):
        assert ctm.load(saved).config.ticks == 3

    def test_saved_again_it_still_has_the_file(self, saved, tmp_path, new_process):
        again = save(saved, tmp_path / "again")
        assert (again / "my_task.py").read_text() == (saved / "my_task.py").read_text()
        assert json.loads((again / CONFIG).read_text()) == json.loads((saved / CONFIG).read_text())
        assert open_trained(again, trust_remote_code=True).experiment.task.kind == "larger"
        single = save(saved, tmp_path / "alone.safetensors")
        new_process()
        with pytest.raises(CheckpointError, match="not run by itself"):
            open_trained(single)
