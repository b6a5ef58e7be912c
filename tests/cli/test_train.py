import pytest

import ctm
from cli.commands import TINY, contents, refused, said
from ctm.cli import main
from ctm.training import Run


def test_training_makes_a_run_as_asked(trained):
    experiment = Run.open(trained).experiment
    assert (experiment.task.length, experiment.model.readout.answer) == (4, (4,))
    assert (experiment.model.core.neurons, experiment.training.iterations) == (20, 3)
    assert experiment.training.schedule == ctm.preset("parity/quick").training.schedule
    assert Run.open(trained).latest().iteration == 3


def test_training_says_where_the_run_is(tmp_path, capsys):
    assert said(capsys, "train", "parity/quick", "--run", tmp_path / "new", *TINY) == f"trained: {tmp_path / 'new'}\n"


def test_a_run_has_a_default_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said(capsys, "train", "parity/quick", *TINY) == "trained: runs/parity-quick\n"
    assert (tmp_path / "runs" / "parity-quick" / "config.yaml").exists()


def test_a_file_in_place_of_a_preset(trained, tmp_path, capsys):
    said(capsys, "train", trained / "config.yaml", "--run", tmp_path / "new", "--quiet", "--training.seed", "1")
    first, second = Run.open(trained), Run.open(tmp_path / "new")
    assert second.experiment == first.experiment.replace(training=first.experiment.training.replace(seed=1))
    assert first.metrics() != second.metrics()


def test_a_finished_run_stays_as_it_is(run, capsys):
    before = contents(run / "checkpoints") | {"metrics": (run / "metrics.jsonl").read_bytes()}
    assert said(capsys, "train", "--resume", run, "--quiet") == f"trained: {run}\n"
    assert before == contents(run / "checkpoints") | {"metrics": (run / "metrics.jsonl").read_bytes()}


@pytest.mark.parametrize("resume", [["--resume", "{}"], ["--resume={}"]], ids=" ".join)
def test_a_finished_run_is_trained_longer(run, capsys, resume):
    resume = [word.format(run) for word in resume]
    assert said(capsys, "train", *resume, "--iterations", 5, "--quiet") == f"trained: {run}\n"
    opened = Run.open(run)
    assert (opened.experiment.training.iterations, opened.latest().iteration) == (5, 5)
    assert opened.complete_metrics()
    error = refused(capsys, "train", *resume, "--iterations", "5")
    assert error.startswith(f"ctm: {run}: iterations = 5: expected more than the 5 that the run has already")


def test_iterations_of_a_new_run_are_a_setting(capsys):
    assert "Unknown option: --iterations" in refused(capsys, "train", "parity/quick", "--iterations", 5)


def test_an_existing_run_is_not_overwritten(trained, capsys):
    before = contents(trained)
    error = refused(capsys, "train", "parity/quick", "--run", trained, *TINY)
    assert f"{trained}: exists already" in error
    assert contents(trained) == before


def test_help_of_a_preset_shows_its_settings(capsys):
    out = said(capsys, "train", "digits", "--help")
    assert all(section in out for section in ("Task: what to learn", "Model: what learns it", "Training: how"))
    assert "--task.test-share" in out
    assert f"[default: {ctm.preset('digits').training.iterations}]" in out
    assert "[default: runs/digits]" in out


def test_an_empty_preset_is_a_mistake_like_any_other(capsys):
    assert main(["train", ""]) == 2
    assert capsys.readouterr().err.startswith("ctm: preset = '': unknown")


def test_a_folder_of_a_run_is_not_a_preset_but_can_be_gone_on_with(trained, capsys):
    error = refused(capsys, "train", trained)
    assert error == (
        f"ctm: preset = '{trained}': a run's folder; 'ctm train --resume {trained}' goes on with the run, and "
        f"{trained}/config.yaml is a preset like any other"
    )
    assert "a run's folder" in refused(capsys, "compare", f"{trained}/")


def test_another_kind_of_part(tmp_path, capsys):
    kinds = ["--model.core.synapses.kind", "unet", "--model.core.synapses.levels", "2", "--training.clipping.kind=norm"]
    said(capsys, "train", "parity/quick", "--run", tmp_path / "run", *TINY, *kinds)
    experiment = Run.open(tmp_path / "run").experiment
    assert experiment.model.core.synapses == ctm.SynapseUNet.Config(levels=2)
    assert experiment.training.clipping.kind == "norm"


def test_training_starts_from_the_weights_of_a_run_a_checkpoint_or_a_file(trained, tmp_path, capsys):
    best = Run.open(trained).best().path
    settings = ("--training.seed", "1", "--training.keep", "9", *TINY)
    for number, weights in enumerate((trained, best, best / "model.safetensors")):
        said(capsys, "train", "parity/quick", "--run", tmp_path / str(number), "--weights", weights, *settings)
        first = Run.open(tmp_path / str(number)).checkpoints()[0].path
        assert (first.name, contents(first)[first / "model.safetensors"]) == (
            "00000000",
            contents(best)[best / "model.safetensors"],
        )


def test_weights_that_are_none_or_of_another_model_are_refused(trained, tmp_path, capsys):
    new = ("train", "parity/quick", "--run", tmp_path / "new", *TINY, "--weights")
    assert "new/00: no such file or folder; expected a run, a checkpoint, a saved model" in refused(
        capsys, *new, tmp_path / "new" / "00"
    )
    longer = ("--model.core.memory", "9")
    assert "weights: do not fit the model: core." in refused(capsys, *new, trained, *longer)
    assert not (tmp_path / "new").exists()
