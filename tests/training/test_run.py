import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import ctm
from ctm.config import ConfigError
from ctm.training import Run, RunError, RunExists, train
from ctm.training.lock import locked
from training.experiments import parity
from training.processes import everything


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Run:
    run = Run.create(tmp_path_factory.mktemp("runs") / "trained", parity())
    train(run, quiet=True)
    return run


def test_a_new_run_can_be_opened_again(tmp_path):
    made = Run.create(tmp_path / "run", parity())
    assert Run.open(tmp_path / "run").experiment == made.experiment
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["torch"] == torch.__version__


def test_a_new_run_takes_an_empty_folder_and_no_other(tmp_path):
    (tmp_path / "empty").mkdir()
    run = Run.create(tmp_path / "empty", parity())
    with pytest.raises(RunExists, match="exists already"):
        Run.create(run.path, parity())


def test_a_configuration_that_could_not_be_read_back_leaves_no_folder(tmp_path):
    experiment = parity()
    experiment = experiment.replace(training=experiment.training.replace(precision=np.str_("fp32")))
    with pytest.raises(ConfigError, match=r"^training\.precision = np\.str_\('fp32'\): YAML cannot hold a numpy\.str_"):
        Run.create(tmp_path / "run", experiment)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_configuration_is_not_a_run(tmp_path):
    with pytest.raises(RunError, match="not a run"):
        Run.open(tmp_path)


@pytest.mark.parametrize("text", ["task: [", "task: {kind: parity, lenght: 5}"], ids=["yaml", "field"])
def test_a_broken_configuration_is_one_clear_line(tmp_path, text):
    run = Run.create(tmp_path / "run", parity())
    (run.path / "config.yaml").write_text(text)
    with pytest.raises(RunError, match=r"config\.yaml: ") as caught:
        Run.open(run.path)
    assert "\n" not in str(caught.value)


def test_before_training_there_is_no_checkpoint(tmp_path):
    run = Run.create(tmp_path / "run", parity())
    assert run.checkpoints() == []
    assert run.metrics() == []
    with pytest.raises(RunError, match="no checkpoint yet"):
        run.load_model()


def test_a_half_written_line_is_not_read(tmp_path):
    run = Run.create(tmp_path / "run", parity())
    (run.path / "metrics.jsonl").write_text('{"iteration": 0}\n{"iterat')
    assert run.metrics() == [{"iteration": 0}]


@pytest.mark.parametrize("which", ["best", "last"])
def test_a_trained_model_is_loaded_to_be_used(trained, which):
    model = trained.load_model(which)
    weights = load_file((trained.best() if which == "best" else trained.latest()).path / "model.safetensors")
    assert not model.training
    assert model.state_dict().keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_the_best_checkpoint_is_the_last_one_of_the_best_score(tmp_path, monkeypatch):
    rising_and_falling = {split: iter([0.1, 0.4, 0.4, 0.3, 0.2]) for split in ("train", "validation", "test")}

    def evaluate(model, task, split, *others):
        return {"loss": 1.0, task.primary_metric: next(rising_and_falling[split])}

    monkeypatch.setattr("ctm.training.supervised.evaluate", evaluate)
    run = Run.create(tmp_path / "run", parity(evaluate_every=3, checkpoint_every=1, keep=1))
    assert train(run, quiet=True).best == 0.4
    assert run.best().iteration == 6
    assert [checkpoint.iteration for checkpoint in run.checkpoints()] == [6, 12]


def _drop(tensors):
    tensors.pop("readout.linear.bias")


def _add(tensors):
    tensors["module.extra"] = torch.zeros(1)


def _reshape(tensors):
    tensors["readout.linear.bias"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop, "readout.linear.bias is missing"),
        (_add, "module.extra is unexpected"),
        (_reshape, r"readout.linear.bias has shape \(3,\), expected \(10,\)"),
    ],
    ids=["missing", "unexpected", "shape"],
)
def test_a_configuration_that_was_changed_since_is_named(trained, monkeypatch, change, message):
    tensors = load_file(trained.latest().path / "model.safetensors")
    change(tensors)
    monkeypatch.setattr("safetensors.torch.load_file", lambda path: tensors)
    with pytest.raises(RunError, match=rf"does not fit the run's config.yaml: {message}; put back the config.yaml"):
        trained.load_model("last")


@pytest.mark.parametrize("name", ["model.safetensors", "training.safetensors", "state.json"])
def test_a_truncated_checkpoint_is_not_gone_on_with(tmp_path, name):
    run = Run.create(tmp_path / "run", parity(iterations=1))
    train(run, quiet=True)
    path = run.latest().path / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(RunError, match=f"{name}: broken checkpoint"):
        train(run, quiet=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: [state], "expected an object, not"),
        (lambda state: _without(state, "scaler"), "scaler is missing"),
        (lambda state: _without(state, "iteration"), "iteration is missing"),
        (lambda state: _without(state, "best"), "best is missing"),
        (lambda state: _without(state, "seconds"), "seconds is missing"),
        (lambda state: state | {"best": {}}, "best.iteration is missing"),
        (lambda state: state | {"best": {"iteration": 0, "score": "1"}}, "best.score = '1': expected a number"),
        (lambda state: state | {"iteration": True}, "iteration = True: expected a whole number"),
        (lambda state: state | {"iteration": 7}, "iteration = 7: expected 1"),
        (lambda state: state | {"scaler": 3}, "scaler = 3: expected an object"),
    ],
)
def test_a_broken_state_is_named(tmp_path, change, message):
    run = Run.create(tmp_path / "run", parity(iterations=1))
    train(run, quiet=True)
    path = run.latest().path / "state.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    for use in (run.load_model, lambda: train(run, quiet=True)):
        with pytest.raises(RunError) as caught:
            use()
        assert str(caught.value).startswith(f"{path}: broken checkpoint: {message}")


def _without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize("lost", [1, 2, -1], ids=["the first line", "a line in the middle", "the last line"])
def test_metrics_that_lack_lines_are_neither_gone_on_with_nor_taken_for_all(tmp_path, lost):
    run = Run.create(tmp_path / "run", parity(iterations=4))
    train(run, quiet=True)
    assert run.complete_metrics() == run.metrics()
    path = run.path / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    del lines[lost]
    path.write_text("".join(lines))
    for use in (run.complete_metrics, lambda: train(run, quiet=True)):
        with pytest.raises(RunError, match=rf"{len(lines)} lines up to the .* iteration 4, expected {len(lines) + 1}"):
            use()
    assert path.read_text() == "".join(lines)


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"iteration": "2"}', '{"iteration": true}', "\xff"])
@pytest.mark.parametrize("name", ["metrics.jsonl", "timing.jsonl"])
def test_a_broken_line_is_named(tmp_path, name, line):
    run = Run.create(tmp_path / "run", parity(iterations=1))
    train(run, quiet=True)
    path = run.path / name
    path.write_bytes(line.encode("latin-1") + b"\n" + path.read_bytes())
    with pytest.raises(RunError, match=f"{name}: broken"):
        train(run, quiet=True)


def test_a_best_checkpoint_that_was_removed_is_missed(tmp_path):
    run = Run.create(tmp_path / "run", parity(iterations=1))
    train(run, quiet=True)
    state = run.latest().path / "state.json"
    state.write_text(state.read_text().replace('"best": {\n    "iteration": ', '"best": {\n    "iteration": 9'))
    with pytest.raises(RunError, match="the best checkpoint is gone"):
        run.best()


def test_nothing_is_pickled(trained):
    files = [path for path in trained.path.rglob("*") if path.is_file() and "tensorboard" not in path.parts]
    assert {path.suffix for path in files} == {"", ".yaml", ".json", ".jsonl", ".safetensors"}
    assert {path.name for path in files if not path.suffix} == {".lock", ".holder"}


def test_tensors_of_a_safetensors_file_are_plainly_named(trained):
    names = load_file(trained.latest().path / "training.safetensors").keys()
    parameters = {name for name, _ in trained.experiment.model.build().named_parameters()}
    slots = {f"{slot}.{name}" for slot in ("step", "exp_avg", "exp_avg_sq") for name in parameters}
    assert names == slots | {"clipping.norms", "clipping.steps"}


def test_an_extended_run_says_so_in_its_configuration(tmp_path):
    run = Run.create(tmp_path / "run", parity())
    longer = run.extended(24)
    assert longer.experiment == parity(iterations=24)
    assert Run.open(run.path).experiment == longer.experiment


@pytest.mark.parametrize("iterations", [-1, 11, 12])
def test_a_run_is_only_extended_by_more_iterations(tmp_path, iterations):
    run = Run.create(tmp_path / "run", parity())
    before = (run.path / "config.yaml").read_bytes()
    with pytest.raises(RunError, match=rf"iterations = {iterations}: expected more than the 12 that the run has"):
        run.extended(iterations)
    assert (run.path / "config.yaml").read_bytes() == before


def test_what_counts_is_how_many_iterations_the_run_has_by_now(tmp_path):
    run = Run.create(tmp_path / "run", parity())
    run.extended(24)
    with pytest.raises(RunError, match="expected more than the 24"):
        run.extended(20)


def test_a_run_that_another_process_writes_is_not_extended(tmp_path):
    run = Run.create(tmp_path / "run", parity())
    with locked(run.path), pytest.raises(RunError, match="is writing this run"):
        run.extended(24)
    assert Run.open(run.path).experiment == parity()


def test_of_several_processes_the_first_one_extends_a_run_and_the_others_wait(tmp_path, monkeypatch):
    run = Run.create(tmp_path / "run", parity(devices=2))
    monkeypatch.setenv("LOCAL_RANK", "1")
    waits = iter(range(3))

    def sleep(seconds):
        if next(waits) == 1:
            with monkeypatch.context() as first:
                first.setenv("LOCAL_RANK", "0")
                Run.open(run.path).extended(24)

    monkeypatch.setattr("time.sleep", sleep)
    assert Run.open(run.path).extended(24).experiment.training.iterations == 24


def test_a_run_starts_from_given_weights_and_goes_on_exactly(trained, tmp_path):
    weights = trained.load_model().state_dict()
    experiment = parity(seed=1, dropout=0.1, keep=9)
    whole = Run.create(tmp_path / "whole", experiment, weights)
    train(whole, quiet=True)
    first = load_file(whole.checkpoints()[0].path / "model.safetensors")
    assert first.keys() == weights.keys()
    assert all(torch.equal(first[name], weights[name]) for name in first)
    (validated,) = (line for line in whole.metrics() if (line["iteration"], line.get("split")) == (0, "validation"))
    assert validated["loss"] == pytest.approx(
        ctm.training.evaluate(trained.load_model(), experiment.task.build(), "validation")["loss"]
    )
    shutil.copytree(whole.path, tmp_path / "again")
    for checkpoint in Run.open(tmp_path / "again").checkpoints()[1:]:
        shutil.rmtree(checkpoint.path)
    train(Run.open(tmp_path / "again"), quiet=True)
    assert everything(tmp_path / "again") == everything(whole.path)


def test_weights_of_another_model_leave_no_folder(trained, tmp_path):
    weights = trained.load_model().state_dict()
    weights["readout.linear.bias"] = weights["readout.linear.bias"][1:]
    with pytest.raises(
        ConfigError, match=r"weights: do not fit the model: readout\.linear\.bias has shape \(9,\), exp"
    ):
        Run.create(tmp_path / "run", parity(), weights)
    del weights["readout.linear.bias"]
    with pytest.raises(ConfigError, match=r"do not fit the model: readout\.linear\.bias is missing"):
        Run.create(tmp_path / "run", parity(), weights)
    assert not (tmp_path / "run").exists()


def test_broken_initial_weights_are_named(trained, tmp_path):
    run = Run.create(tmp_path / "run", parity(), trained.load_model().state_dict())
    (run.path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match=r"weights\.safetensors: broken weights: "):
        train(run, quiet=True)
