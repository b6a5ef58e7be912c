import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ctm
from cli.commands import contents, refused, said
from ctm.cli import main
from ctm.training import Run


def test_version(capsys):
    assert said(capsys, "--version") == f"ctm {ctm.__version__}\n"


def test_help(capsys):
    out = said(capsys, "--help")
    assert all(command in out for command in ("train", "evaluate", "figures", "think", "presets"))
    assert said(capsys) == out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["oops"], 'Unknown command "oops"'),
        (["train"], "name a preset, as in 'ctm train digits', or give --resume RUN"),
        (["train", "digitz"], "preset = 'digitz': unknown; did you mean 'digits'?"),
        (["train", "none.yaml"], "none.yaml: no such file"),
        (["train", "xyzzy"], "preset = 'xyzzy': unknown; 'ctm presets' and ctm.presets() list them"),
        (["train", "mytask.py"], "mytask.py: no such file"),
        (["compare", "mytask.py"], "mytask.py: no such file"),
        (["train", "digits", "extra"], "Unused Tokens: ['extra']"),
        (["train", "digits", "--resume", "x"], "train: digits is new, --resume x goes on with a run: give one of them"),
        (
            ["train", "digits", "--task.test-share", "0.99999"],
            "share of 0.99999 of 1797 samples: 1797 held out, 0 left; expected",
        ),
        (
            ["train", "digits", "--task.test-share", "0.0001"],
            "share of 0.0001 of 1797 samples: 0 held out, 1797 left; expected",
        ),
        (["train", "digits", "--task.test-share", "nan"], "task.test_share = nan: expected between 0 and 1"),
        (["train", "digits", "--training.optimizer.learning-rate", "nan"], "learning_rate = nan: expected above 0"),
        (["train", "parity/quick", "--model.readout.classes", "5"], "'parity' as configured needs classes: 2"),
        (["evaluate", "nowhere", "--until", "2"], "until = 2.0: expected a certainty above 0 and at most 1"),
        (["compare"], "compare: name the presets"),
        (["compare", "digits", "--cluster-options", "x.yaml"], "--cluster-options x.yaml needs --cluster slurm or"),
        (["compare", "digits", "--cluster", "local", "--jobs", "2"], "give --jobs 2 or --cluster local, not both"),
        (["compare", "digits", "--cluster", "local", "--cluster-options", "x.yaml"], "x.yaml: no such file"),
        (["compare", "digits", "--model.ticks", "5", "0"], "digits: model.ticks = 0: expected at least 1"),
        (["compare", "digits", "--seeds", "a"], 'Invalid value for --seeds: unable to convert "a"'),
        (["train", "digits", "--nope", "3"], "Unknown option: --nope"),
        (["train", "digits", "--model.ticks", "abc"], 'Invalid value for --model.ticks: unable to convert "abc"'),
        (["train", "digits", "--model.ticks", "0"], "model.ticks = 0: expected at least 1"),
        (["train", "digits", "--model.core.neurons", "9"], "model.core.neurons = 9: expected at least 64"),
        (["train", "digits", "--training.precision", "fp8"], 'Invalid value "fp8" for --training.precision'),
        (["train", "mnist", "--task.data", "nowhere"], "nowhere: no such folder, nor a name on the Hugging Face hub"),
        (["train", "images/quick"], "task.data: missing: name a folder of pictures, as in --task.data my/pictures"),
        (["train", "--resume", "nowhere"], "nowhere: not a run: it has no config.yaml"),
        (["evaluate", "nowhere"], "nowhere: no such file or folder; expected a run"),
        (["evaluate"], "RUN"),
        (["figures", "nowhere"], "nowhere: not a run: it has no config.yaml"),
        (["think", "nowhere"], "nowhere: no such file or folder; expected a run"),
        (["think", "nowhere", "--index", "1", "--input", "x"], "give one of --index, --input and --text"),
        (["think", "nowhere", "--text", "+", "--input", "x"], "give one of --index, --input and --text"),
        (
            ["think", "nowhere", "--output", "x.jpg"],
            "output = 'x.jpg': expected a name that ends in .gif, .mp4 or .png",
        ),
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
    "kind.yaml": (b"task: {kind: mine}", "import the file or package that defines it first"),
    "lacks.yaml": (b"task: {}", "task: kind: missing; expected one of arrays, control"),
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


def test_a_reader_that_has_gone_is_no_mistake():
    """As in `ctm presets | head -1`: nothing on standard error."""
    command = [sys.executable, "-m", "ctm.cli", "presets"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 141
