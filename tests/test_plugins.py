"""A user's own files and packages: imported once, remembered by runs."""

import json
import shutil
import sys
from importlib.metadata import EntryPoint

import pytest

import ctm
from ctm import ConfigError, RunError, plugins
from ctm.config import to_yaml
from plugin_files import TASK, write

pytestmark = pytest.mark.usefixtures("new_process")


def test_a_file_is_imported_once_whatever_it_is_called(tmp_path, monkeypatch):
    file = write(tmp_path / "my_task.py")
    (tmp_path / "link.py").symlink_to(file)
    monkeypatch.chdir(tmp_path)
    module = plugins.load(file)
    assert plugins.load("my_task.py") is plugins.load("../" + tmp_path.name + "/link.py") is module
    assert module.__name__.startswith("ctm_plugin_")
    assert sys.modules[module.__name__] is module
    assert str(tmp_path) not in sys.path


def test_a_file_that_was_imported_as_a_module_is_that_module(tmp_path, monkeypatch):
    file = write(tmp_path / "imported_before.py", "value = 3")
    monkeypatch.syspath_prepend(tmp_path)
    import imported_before  # ty: ignore[unresolved-import]

    assert plugins.load(file) is imported_before


def test_files_of_one_name_are_two_modules(tmp_path):
    first, second = (plugins.load(write(tmp_path / name / "mine.py", f"value = {name!r}")) for name in "ab")
    assert (first.value, second.value) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = = 2\n", r"mine\.py, line 2: SyntaxError: invalid syntax"),
        (
            "import ctm\n\nimport no_such_package\n",
            r"mine\.py, line 3: ModuleNotFoundError: No module named 'no_such_pa",
        ),
        ("def f():\n    return 1 / 0\n\nf()\n", r"mine\.py, line 2: ZeroDivisionError: division by zero"),
        ("import ctm\nctm.SemiDense(0)\n", r"mine\.py, line 2: ConfigError: neurons = 0: expected at least 1"),
        ("raise SystemExit('enough')\n", r"mine\.py, line 1: SystemExit: enough"),
    ],
    ids=["syntax", "import", "exception", "configuration", "exit"],
)
def test_what_is_wrong_in_a_file_is_one_line_that_says_where(tmp_path, text, message):
    file = write(tmp_path / "mine.py", text)
    for _ in range(2):  # a file that failed is no module
        with pytest.raises(ConfigError, match=message):
            ctm.preset(str(file))


def test_a_mistake_in_what_stands_beside_a_file_is_found_there(tmp_path):
    write(tmp_path / "beside_broken.py", "x =\n")
    with pytest.raises(ConfigError, match=r"beside_broken\.py, line 1: SyntaxError"):
        plugins.load(write(tmp_path / "mine.py", "import beside_broken"))


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.py: no such file"):
        plugins.load(tmp_path / "nowhere.py")
    for name in ("no_such_package", "no-name", ""):
        with pytest.raises(ConfigError, match=f"import '{name}': not found; expected a file, PATH.py, or a package"):
            plugins.load(name)


def test_a_package_is_imported_by_its_name(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "package_of_mine" / "__init__.py", "from package_of_mine import parts")
    parts = write(tmp_path / "package_of_mine" / "parts.py", "1 / 0")
    with pytest.raises(ConfigError, match=r"package_of_mine/parts\.py, line 1: ZeroDivisionError"):
        plugins.load("package_of_mine")
    parts.write_text("value = 3")
    assert plugins.load("package_of_mine").parts.value == 3


def test_a_preset_is_named_by_its_file(tmp_path):
    file = write(tmp_path / "my_task.py")
    experiment = ctm.preset(str(file))
    assert ctm.preset(f"{file}:larger") == ctm.preset("larger") == experiment
    assert "larger" in ctm.presets()
    assert ctm.build(str(file)).config == experiment.model
    with pytest.raises(ConfigError, match=r"my_task\.py:smaller: unknown; the file registers larger$"):
        ctm.preset(f"{file}:smaller")


def test_one_of_several_presets_is_to_be_named(tmp_path):
    file = write(tmp_path / "my_task.py", TASK + '\n\nctm.register("second")(lambda: larger())\n')
    with pytest.raises(ConfigError, match=r"registers larger, second; name one of them, as in .*my_task\.py:larger$"):
        ctm.preset(str(file))
    assert ctm.preset(f"{file}:second") == ctm.preset("larger")


def test_a_file_without_a_preset_says_what_to_write(tmp_path):
    file = write(tmp_path / "empty.py", "import ctm.tasks.parity.presets")
    with pytest.raises(ConfigError, match=r"registers no preset; write @ctm\.register\('empty'\) above a function"):
        ctm.preset(str(file))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", r"mine\.py: preset 'mine' returned None; expected a ctm\.Experiment$"),
        ("return ctm.SemiDense(0)", r"mine\.py, line 4: ConfigError: neurons = 0: expected at least 1$"),
    ],
)
def test_a_preset_that_makes_nothing_is_named(tmp_path, body, message):
    file = write(tmp_path / "mine.py", f'import ctm\n@ctm.register("mine")\ndef mine():\n    {body}\n')
    with pytest.raises(ConfigError, match=message):
        ctm.preset(str(file))


def test_a_name_that_is_taken_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"preset = 'digits': registered by ctm\.tasks\.images\.presets and ctm_pl"):
        plugins.load(write(tmp_path / "mine.py", TASK.replace('register("larger")', 'register("digits")')))


def test_a_run_knows_where_its_parts_come_from(tmp_path, new_process, capsys):
    file = write(tmp_path / "my_task.py")
    experiment = ctm.preset(str(file))
    run = ctm.Run.create(tmp_path / "run", experiment)
    (entry,) = json.loads((run.path / "plugins.json").read_text())
    assert (entry["file"], len(entry["sha256"])) == (str(file), 64)
    new_process()
    opened = ctm.Run.open(run.path)
    assert opened.experiment.to_dict() == experiment.to_dict()
    assert opened.experiment.task.build().batch(0, 0, 4).targets.shape == (4,)
    assert capsys.readouterr().err == ""


def test_a_run_of_parts_of_the_package_writes_nothing(tmp_path):
    plugins.load(write(tmp_path / "my_task.py", "import ctm.tasks.parity\n" + TASK))
    run = ctm.Run.create(tmp_path / "run", ctm.preset("parity/quick"))
    assert sorted(path.name for path in run.path.iterdir() if not path.name.startswith(".")) == [
        "checkpoints",
        "config.yaml",
        "environment.json",
    ]


def test_a_part_beside_a_file_is_known_by_the_file(tmp_path):
    part = "from dataclasses import dataclass\nimport ctm\n@dataclass(frozen=True)\n"
    part += 'class Half(ctm.SynapseMLP.Config, kind="half"):\n    pass\n'
    write(tmp_path / "beside_part.py", part)
    file = write(tmp_path / "mine.py", "from beside_part import Half\nparts = Half()\n")
    (entry,) = json.loads(plugins.record(plugins.load(file).parts))
    assert entry["file"] == str(file)


def test_a_part_of_a_package_is_known_by_its_module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    part = "from dataclasses import dataclass\nimport ctm\n@dataclass(frozen=True)\n"
    part += 'class Third(ctm.SynapseMLP.Config, kind="third"):\n    pass\n'
    write(tmp_path / "third_package" / "__init__.py", "")
    write(tmp_path / "third_package" / "parts.py", part)
    core = ctm.NeuronCore.Config(4, 2, plugins.load("third_package.parts").Third())
    assert json.loads(plugins.record(core)) == [{"module": "third_package.parts"}]


def test_a_file_that_changed_is_noted_and_used(tmp_path, new_process, capsys):
    file = write(tmp_path / "my_task.py")
    run = ctm.Run.create(tmp_path / "run", ctm.preset(str(file)))
    new_process()
    write(file, TASK + "# more\n")
    assert ctm.Run.open(run.path).experiment.task.kind == "larger"
    assert capsys.readouterr().err == f"ctm: note: {file} has changed since {run.path} was made\n"


def test_a_file_that_moved_is_asked_for(tmp_path, new_process, capsys):
    file = write(tmp_path / "my_task.py")
    run = ctm.Run.create(tmp_path / "run", ctm.preset(str(file)))
    new_process()
    moved = shutil.move(file, tmp_path / "renamed.py")
    with pytest.raises(RunError, match=r"run: needs .*my_task\.py, which is not there any more; .*--import NEW_PATH"):
        ctm.Run.open(run.path)
    plugins.load(moved)
    assert ctm.Run.open(run.path).experiment.task.kind == "larger"
    assert capsys.readouterr().err == ""


def test_a_function_in_a_file_that_moved_is_asked_for(tmp_path, new_process):
    file = write(tmp_path / "mine.py", "from torch import nn\n\ndef encoder():\n    return nn.Conv2d(1, 8, 3)\n")
    known = ctm.preset("digits")
    model = known.model.replace(backbone=ctm.wrap(plugins.load(file).encoder, channels=8))
    run = ctm.Run.create(tmp_path / "run", known.replace(model=model))
    new_process()
    assert ctm.Run.open(run.path).experiment.model.build().backbone.out_channels == 8
    moved = shutil.move(file, tmp_path / "renamed.py")
    new_process()
    with pytest.raises(RunError, match=r"needs .*mine\.py, which is not there any more"):
        ctm.Run.open(run.path)
    plugins.load(moved)
    assert ctm.Run.open(run.path).experiment.model.build().backbone.out_channels == 8


def test_a_package_that_is_gone_is_named(tmp_path):
    run = ctm.Run.create(tmp_path / "run", ctm.preset("parity/quick"))
    (run.path / "plugins.json").write_text('[{"module": "no_such_package"}]')
    with pytest.raises(RunError, match="import 'no_such_package': not found"):
        ctm.Run.open(run.path)


@pytest.mark.parametrize("text", ["{", "3", "[3]", "[{}]", '[{"file": "x.py"}]'])
def test_a_broken_record_is_named(tmp_path, text):
    run = ctm.Run.create(tmp_path / "run", ctm.preset("parity/quick"))
    (run.path / "plugins.json").write_text(text)
    with pytest.raises(RunError, match=r"plugins\.json: cannot be read .*; expected a list of"):
        ctm.Run.open(run.path)


def test_installed_packages_are_known(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path / "installed_plugin.py")
    write(tmp_path / "installed_broken.py", "1 / 0")
    entries = [EntryPoint(name, f"installed_{name}", "ctm.plugins") for name in ("plugin", "broken")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == "ctm.plugins" else [])
    plugins.load_installed.cache_clear()
    assert "larger" in ctm.presets()
    assert ctm.preset("larger").task.kind == "larger"
    assert to_yaml(ctm.preset("larger"))
    (line,) = capsys.readouterr().err.splitlines()  # said once
    assert line.startswith("ctm: entry point 'broken' of ctm.plugins: ")
    assert line.endswith("ZeroDivisionError: division by zero")


def test_functions_have_names_by_which_they_are_found(tmp_path):
    module = plugins.load(write(tmp_path / "mine.py", "class A:\n    @staticmethod\n    def f(): pass\n"))
    assert plugins.name_of(module.A.f) == "mine.py:A.f"
    assert plugins.find("mine.py:A.f") is module.A.f
    assert plugins.find("torch.nn:Identity").__name__ == "Identity"
    assert plugins.name_of(lambda: None) is None
    for name in ("mine.py:g", "other.py:g", "torch.nn:Nothing", "torch.nn"):
        with pytest.raises(ConfigError, match=f"^{name}: not found; expected FILE"):
            plugins.find(name)
