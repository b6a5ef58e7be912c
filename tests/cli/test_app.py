import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

import ctm
from ctm.baselines import feed_forward
from ctm.cli import main
from ctm.comparison.comparison import Outcome
from ctm.training import Run, train

TINY = [
    *("--task.length", "4", "--model.readout.answer", "4", "--task.evaluation-samples", "20"),
    *("--model.core.neurons", "20", "--model.ticks", "5", "--model.backbone.width", "8"),
    *("--model.observer.embedding", "8", "--training.iterations", "3", "--training.accelerator", "cpu", "--quiet"),
]


def said(capsys, *arguments):
    """What a successful command prints."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def refused(capsys, *arguments):
    """The one line on standard error of a command that is refused."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert re.fullmatch(r"ctm: [^\n]+\n", err), err
    return err.strip()


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, only to be read."""
    run = tmp_path_factory.mktemp("runs") / "tiny"
    assert main(["train", "parity/quick", "--run", str(run), *TINY]) == 0
    return run


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, to be changed."""
    return shutil.copytree(trained, tmp_path / "run")


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


def test_evaluation_prints_scores(trained, capsys):
    lines = said(capsys, "evaluate", trained).splitlines()
    assert {line.split(":")[0] for line in lines} == {
        *("test loss", "test accuracy", "test accuracy last", "test whole accuracy")
    }
    assert all(re.search(r": \d+\.\d{4}$", line) for line in lines)


def test_evaluation_as_json(trained, capsys):
    scores = json.loads(said(capsys, "evaluate", trained, "--json", "--checkpoint", "last"))
    assert (scores["run"], scores["split"], scores["checkpoint"]) == (str(trained), "test", "last")
    assert len(scores["accuracy_by_tick"]) == len(scores["certainty_by_tick"]) == 5
    logged = [line for line in Run.open(trained).metrics() if line.get("checkpoint") == "last"][-1]
    assert logged["iteration"] == 3
    for name in ("loss", "accuracy", "whole_accuracy", "accuracy_last"):
        assert scores[name] == pytest.approx(logged[name], abs=1e-6)


def test_evaluation_of_other_samples_and_ticks(trained, capsys):
    test, train, longer = (
        json.loads(said(capsys, "evaluate", trained, "--json", *options))
        for options in ((), ("--split", "train"), ("--ticks", "8"))
    )
    assert train["split"] == "train"
    assert train["loss"] != test["loss"]
    assert len(longer["accuracy_by_tick"]) == 8
    assert longer["accuracy_by_tick"][:5] == pytest.approx(test["accuracy_by_tick"])


def test_figures_are_drawn(run, capsys):
    paths = [Path(line) for line in said(capsys, "figures", run).splitlines()]
    names = {path.name for path in paths}
    assert {"training.png", "accuracy.png", "certainty.png", "neurons.png", "trajectories.png"} <= names
    assert {"thinking.gif", "thinking.mp4"} <= names
    assert all(path.parent == run / "figures" and path.stat().st_size > 1000 for path in paths)


def test_thinking_about_a_test_sample(run, capsys):
    lines = dict(line.split(": ", 1) for line in said(capsys, "think", run, "--index", 3).splitlines())
    certain = next(name for name in lines if name.startswith("most certain at tick"))
    assert re.fullmatch(r"[eo]{4} \(e even, o odd\)", lines["answer"])
    opened = Run.open(run)
    task = opened.experiment.task.build()
    inputs, targets = task.sample(3)
    thoughts = opened.load_model()(inputs)
    assert lines["truth"] == task.format_answer(targets[0])
    assert lines["answer"] == task.format_answer(thoughts.at()[0].argmax(-1))
    tick = thoughts.certainty[0].argmax().item()
    assert certain == f"most certain at tick {tick + 1} of 5"
    assert lines[certain] == f"{thoughts.certainty[0, tick]:.3f}"
    assert lines["animation"] == str(run / "figures" / "think-3.gif")
    assert Image.open(lines["animation"]).n_frames >= 5


def test_thinking_about_a_file(run, tmp_path, capsys):
    path, output = tmp_path / "signs.txt", tmp_path / "new" / "mine.mp4"
    path.write_text("+-\n-+\n")
    out = said(capsys, "think", run, "--input", path, "--output", output, "--ticks", 7)
    assert "truth" not in out
    assert re.search(r"most certain at tick \d of 7", out)
    assert output.stat().st_size > 1000
    assert "ftyp" in str(output.read_bytes()[:12])
    assert "think-signs.gif" in said(capsys, "think", run, "--input", path)


def test_thinking_about_what_was_typed(run, tmp_path, capsys):
    path = tmp_path / "signs.txt"
    path.write_text("-+-+")
    from_file, typed = (
        said(capsys, "think", run, *given).splitlines() for given in (("--input", path), ("--text", "-+ -+"))
    )
    assert typed[:-1] == from_file[:-1]
    assert typed[-1] == f"animation: {run / 'figures' / 'think-text.gif'}"


COMPARED = [
    *("compare", "parity/quick", "parity/quick-lstm"),
    *("--task.evaluation-samples", "20", "--training.iterations", "2"),
]


def test_a_comparison_and_what_comes_of_it(tmp_path, capsys):
    command = [*COMPARED, "--seeds", "0", "2", "--out", tmp_path, "--quiet"]
    out = said(capsys, *command)
    lines = [line.split(" | ") for line in out.splitlines() if line.startswith("| parity")]
    assert [line[0] for line in lines] == ["| parity/quick", "| parity/quick-lstm"]
    assert all("±" in line[3] for line in lines)
    assert out.splitlines()[-3:] == [str(tmp_path / name) for name in ("results.json", "results.md", "comparison.png")]
    assert (tmp_path / "comparison.png").stat().st_size > 1000
    assert Run.open(tmp_path / "parity-quick-lstm" / "seed-2").experiment.task.loss.second_tick == "last"
    assert said(capsys, *command) == out


def test_a_stopped_comparison_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ctm.comparison.comparison.compare", lambda *_, **__: Outcome(2, []))
    assert main([*COMPARED, "--out", str(tmp_path)]) == 130
    assert capsys.readouterr().out == "stopped; the same command goes on\n"


def test_a_comparison_of_which_a_run_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ctm.comparison.comparison.compare", lambda *_, **__: Outcome(None, ["seed-0: bad luck"]))
    assert main([*COMPARED, "--out", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "0 of 3" in out
    assert err == "ctm: seed-0: bad luck\n"


def test_experiments_in_files_need_nothing_else(tmp_path, capsys):
    """In a fresh process, that knows no kinds of parts before it reads the file."""
    path = tmp_path / "mine.yaml"
    path.write_text(said(capsys, "presets", "parity/quick-lstm"))
    program = f"from ctm.cli.options import load_experiment; print(load_experiment({str(path)!r}).model.core.kind)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "lstm\n"


def test_models_that_see_all_at_once_have_answers_but_no_pictures_of_looking(tmp_path, capsys):
    digits = ctm.preset("digits")
    training = digits.training.replace(iterations=1, accelerator="cpu")
    run = Run.create(tmp_path / "run", digits.replace(model=feed_forward(digits.model), training=training))
    train(run, quiet=True)
    lines = said(capsys, "think", run.path, "--index", "1").splitlines()
    assert [line.split(":")[0] for line in lines] == ["answer", "truth", "most certain at tick 1 of 1"]
    assert "this model does not attend" in refused(capsys, "think", run.path, "--output", "x.gif")
    assert [Path(line).name for line in said(capsys, "figures", run.path).splitlines()] == ["training.png"]
    full, until = (json.loads(said(capsys, "evaluate", run.path, "--json", *more)) for more in ((), ("--until", "0.9")))
    assert until["stopped"]["accuracy"] == pytest.approx(full["accuracy"])


def test_presets_are_listed_and_shown(capsys):
    out = said(capsys, "presets")
    assert [line.split()[0] for line in out.splitlines()] == ctm.presets()
    shown = yaml.safe_load(said(capsys, "presets", "parity/quick"))
    assert ctm.Experiment.from_dict(shown) == ctm.preset("parity/quick")
    assert ctm.MachineConfig.from_dict(yaml.safe_load(said(capsys, "presets", "imagenet/paper"))) == ctm.preset(
        "imagenet/paper"
    )


def test_version(capsys):
    assert said(capsys, "--version") == f"ctm {ctm.__version__}\n"


def test_help(capsys):
    out = said(capsys, "--help")
    assert all(command in out for command in ("train", "evaluate", "figures", "think", "presets"))
    assert said(capsys) == out


def test_help_of_a_preset_shows_its_settings(capsys):
    out = said(capsys, "train", "digits", "--help")
    assert all(section in out for section in ("Task: what to learn", "Model: what learns it", "Training: how"))
    assert "--task.test-share" in out
    assert f"[default: {ctm.preset('digits').training.iterations}]" in out
    assert "[default: runs/digits]" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["oops"], 'Unknown command "oops"'),
        (["train"], "name a preset, as in 'ctm train digits', or give --resume RUN"),
        (["train", "digitz"], "preset = 'digitz': unknown; did you mean 'digits'?"),
        (["train", "imagenet/paper"], "preset = 'imagenet/paper': a model without a task, which cannot be trained yet"),
        (["train", "none.yaml"], "none.yaml: no such file"),
        (["train", "xyzzy"], "preset = 'xyzzy': unknown; 'ctm presets' and ctm.presets() list them"),
        (["train", "mytask.py"], "mytask.py: no such file"),
        (["compare", "mytask.py"], "mytask.py: no such file"),
        (["train", "digits", "extra"], "Unused Tokens: ['extra']"),
        (["train", "digits", "--resume", "x"], "train: digits is new, --resume x goes on with a run: give one of them"),
        (["train", "digits", "--task.test-share", "0.99999"], "0 samples for training and 1797 for testing: expected"),
        (["train", "digits", "--task.test-share", "0.0001"], "1797 samples for training and 0 for testing: expected"),
        (["train", "digits", "--task.test-share", "nan"], "task.test_share = nan: expected between 0 and 1"),
        (["train", "digits", "--training.optimizer.learning-rate", "nan"], "learning_rate = nan: expected above 0"),
        (["train", "digits", "--model.readout.classes", "5"], "the task 'digits' as configured needs {'classes': 10"),
        (["evaluate", "nowhere", "--until", "2"], "until = 2.0: expected a certainty above 0 and at most 1"),
        (["compare"], "compare: name the presets"),
        (["compare", "digits", "--seeds", "a"], 'Invalid value for --seeds: unable to convert "a"'),
        (["train", "digits", "--nope", "3"], "Unknown option: --nope"),
        (["train", "digits", "--model.ticks", "abc"], 'Invalid value for --model.ticks: unable to convert "abc"'),
        (["train", "digits", "--model.ticks", "0"], "model.ticks = 0: expected at least 1"),
        (["train", "digits", "--model.core.neurons", "9"], "model.core.neurons = 9: expected at least 64"),
        (["train", "digits", "--training.precision", "fp8"], 'Invalid value "fp8" for --training.precision'),
        (["train", "mnist", "--task.folder", "nowhere"], "nowhere: no such folder; give the folder"),
        (["train", "--resume", "nowhere"], "nowhere: not a run: it has no config.yaml"),
        (["evaluate", "nowhere"], "nowhere: not a run: it has no config.yaml"),
        (["evaluate"], "RUN"),
        (["figures", "nowhere"], "nowhere: not a run: it has no config.yaml"),
        (["think", "nowhere"], "nowhere: not a run: it has no config.yaml"),
        (["think", "nowhere", "--index", "1", "--input", "x"], "give one of --index, --input and --text"),
        (["think", "nowhere", "--text", "+", "--input", "x"], "give one of --index, --input and --text"),
        (["think", "nowhere", "--output", "x.png"], "output = 'x.png': expected a name that ends in .gif or .mp4"),
        (["presets", "digitz"], "preset = 'digitz': unknown; did you mean 'digits'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line_and_leave_nothing_behind(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["think", "--index", "20"], "index 20: there are 20 test samples, 0 to 19"),
        (["think", "--index", "-1"], "index -1: there are 20 test samples, 0 to 19"),
        (["think", "--input", "none.txt"], "none.txt: cannot be read"),
        (["think", "--input", "long.txt"], "long.txt: '+++++': expected 4 signs, each + or -"),
        (["think", "--text", "-+-"], "'-+-': expected 4 signs, each + or -"),
        (["evaluate", "--ticks", "0"], "ticks = 0: expected at least 1"),
        (["evaluate", "--checkpoint", "worst"], 'Invalid value "worst" for --checkpoint'),
        (["evaluate", "--split", "other"], 'Invalid value "other" for --split'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_about_a_run_change_nothing(trained, arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("long.txt").write_text("+++++")
    before = contents(trained)
    command, *options = arguments
    assert message in refused(capsys, command, trained, *options)
    assert contents(trained) == before


FILES = {
    "empty.yaml": (b"", "empty: expected the fields of a configuration"),
    "bytes.yaml": (b"\xff\xfe\xfa", "not a text in UTF-8"),
    "date.yaml": (b"task: 2024-13-01", "not YAML: month must be in 1..12"),
    "kind.yaml": (b"task: {kind: mine}", "import the module that defines it first"),
    "lacks.yaml": (b"task: {}", "task: kind: missing; expected one of digits"),
    "folder.yaml": (None, "cannot be read: Is a directory"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["train", "compare", "evaluate"])
def test_files_that_are_no_configuration_are_named(name, command, tmp_path, capsys):
    content, message = FILES[name]
    path = tmp_path / ("config.yaml" if command == "evaluate" else name)
    path.mkdir() if content is None else path.write_bytes(content)
    error = refused(capsys, command, path.parent if command == "evaluate" else path)
    assert f"{path}: " in error
    assert message in error


def test_a_task_that_draws_nothing_says_so(run, capsys, monkeypatch):
    monkeypatch.setattr("ctm.tasks.parity.Parity.animate", lambda *_: iter(()))
    assert said(capsys, "think", run).splitlines()[-1] == "animation: none, since this task draws no frame"
    names = {Path(line).name for line in said(capsys, "figures", run).splitlines()}
    assert "training.png" in names
    assert not {"thinking.gif", "thinking.mp4"} & names


def test_an_existing_run_is_not_overwritten(trained, capsys):
    before = contents(trained)
    error = refused(capsys, "train", "parity/quick", "--run", trained, *TINY)
    assert f"{trained}: exists already" in error
    assert contents(trained) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("ticks: 5", "ticks: 0"), "model.ticks = 0: expected at least 1"),
        (lambda text: text.replace("kind: semi_dense", "kind: dens"), "kind = 'dens': unknown; expected one of dense"),
        (lambda text: text.replace("memory: 6", "memories: 6"), "no such field; did you mean 'memory'?"),
        (lambda text: text + "  }", "config.yaml"),
    ],
    ids=["value", "kind", "field", "syntax"],
)
@pytest.mark.parametrize("command", [["evaluate"], ["train", "--resume"]], ids=" ".join)
def test_a_broken_configuration_is_named(run, command, change, message, capsys):
    path = run / "config.yaml"
    changed = change(path.read_text())
    assert changed != path.read_text()
    path.write_text(changed)
    error = refused(capsys, *command, run)
    assert error.startswith(f"ctm: {path}: ")
    assert message in error


@pytest.mark.parametrize("length", [0, 5, 200, -1])
def test_a_broken_checkpoint_is_named(run, length, capsys):
    path = Run.open(run).best().path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    for command in ("evaluate", "think", "figures"):
        assert f"{path}: broken checkpoint" in refused(capsys, command, run)


def test_weights_of_another_configuration_are_named(run, capsys):
    path = run / "config.yaml"
    path.write_text(path.read_text().replace("neurons: 20", "neurons: 24"))
    for command in (["evaluate"], ["figures"], ["train", "--resume"]):
        error = refused(capsys, *command, run)
        assert re.search(r"model.safetensors: does not fit the run's config.yaml: core.* has shape \(.*20.*24", error)


def test_metrics_that_lack_lines_are_not_drawn(run, capsys):
    path = run / "metrics.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert f"{path}: 4 lines up to the checkpoint of iteration 3, expected 5" in refused(capsys, "figures", run)
    assert not (run / "figures").exists()


def test_a_run_without_checkpoints(run, capsys):
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    for command in ("evaluate", "think", "figures"):
        assert f"{run}: no checkpoint yet" in refused(capsys, command, run)


def test_an_error_of_the_program_is_not_hidden(monkeypatch):
    def broken():
        raise RuntimeError("a bug")

    monkeypatch.setattr("ctm.registry.presets", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["presets"])


def test_an_interruption_has_its_own_code(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("ctm.registry.presets", interrupted)
    assert main(["presets"]) == 130


def test_the_command_itself(tmp_path):
    """As a program: its exit code, and the mistake on standard error."""
    done = subprocess.run([sys.executable, "-m", "ctm.cli", "oops"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('ctm: Unknown command "oops"')
    assert done.stderr.count("\n") == 1


def test_an_empty_preset_is_a_mistake_like_any_other(capsys):
    assert main(["train", ""]) == 2
    assert capsys.readouterr().err.startswith("ctm: preset = '': unknown")
