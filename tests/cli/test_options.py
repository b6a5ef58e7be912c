import dataclasses
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import CycloptsError
from rich.console import Console

import ctm
from ctm import ConfigError
from ctm.cli.options import (
    experiments_of,
    load_experiment,
    settings_of,
    training_app,
    values_of,
    with_options,
    with_settings,
)
from ctm.config import _MEMBERS, to_yaml
from ctm.registry import _PRESETS
from ctm.tasks.images import Crop, Flip

TRAINABLE = [name for name in ctm.presets() if isinstance(ctm.preset(name), ctm.Experiment)]


def parsed(preset, *arguments):
    """The experiment that a command line asks for."""
    app = training_app(preset, arguments)
    _, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    settings = bound.arguments.get("settings")
    experiment = load_experiment(preset)
    return experiment if settings is None else with_settings(ctm.Experiment, settings)


def leaves(config, path=""):
    """The paths of all options, which are no parts themselves, with their values."""
    for field in dataclasses.fields(config):
        if not field.metadata.get("option", True):
            continue
        value, here = getattr(config, field.name), f"{path}{field.name}"
        if isinstance(value, ctm.Config):
            yield from leaves(value, f"{here}.")
        else:
            yield here, value


@pytest.mark.parametrize("name", TRAINABLE)
def test_settings_mirror_a_preset(name):
    experiment = ctm.preset(name)
    settings = settings_of(ctm.Experiment, values_of(experiment, []))()
    assert with_settings(ctm.Experiment, settings) == experiment
    assert [name for name, _ in leaves(experiment)]
    for path, value in leaves(experiment):
        found = settings
        for part in path.split("."):
            found = getattr(found, part)
        assert found == value


@pytest.mark.parametrize("name", TRAINABLE)
def test_without_options_a_preset_stays(name):
    assert parsed(name) == ctm.preset(name)


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        (["--training.iterations", "7"], "training.iterations", 7),
        (["--training.optimizer.learning-rate", "1e-5"], "training.optimizer.learning_rate", 1e-5),
        (["--training.optimizer.betas", "0.8", "0.9"], "training.optimizer.betas", (0.8, 0.9)),
        (["--model.core.models.layer-norm"], "model.core.models.layer_norm", True),
        (["--model.backbone.symbols", "-1", "1", "5"], "model.backbone.symbols", (-1, 1, 5)),
        (["--model.output.pairing.neurons=5"], "model.output.pairing.neurons", 5),
        (["--model.seed", "-3"], "model.seed", -3),
        (["--task.loss.second-tick", "last"], "task.loss.second_tick", "last"),
        (["--training.precision", "bf16"], "training.precision", "bf16"),
    ],
)
def test_an_option_changes_its_field_and_no_other(arguments, path, value):
    changed, preset = dict(leaves(parsed("parity/quick", *arguments))), dict(leaves(ctm.preset("parity/quick")))
    assert changed == preset | {path: value}
    assert type(changed[path]) is type(value)


def in_yaml(preset, path, **part):
    """The experiment of a preset whose part at a path was replaced in its YAML."""
    data = yaml.safe_load(to_yaml(ctm.preset(preset)))
    *folders, name = path.split(".")
    inner = data
    for folder in folders:
        inner = inner[folder]
    inner[name] = part
    return ctm.Experiment.from_dict(data)


@pytest.mark.parametrize(
    ("preset", "arguments", "path", "part"),
    [
        (
            *("parity/quick", ["--model.core.synapses.kind", "unet", "--model.core.synapses.levels", "4"]),
            *("model.core.synapses", {"kind": "unet", "levels": 4}),
        ),
        (
            *("parity/quick", ["--training.clipping.norm=0.5", "--training.clipping.kind=norm"]),
            *("training.clipping", {"kind": "norm", "norm": 0.5}),
        ),
        ("parity/quick", ["--task.loss.kind", "last_tick"], "task.loss", {"kind": "last_tick"}),
        ("parity/quick", ["--task.loss.kind", "two_tick"], "task.loss", {"kind": "two_tick"}),
        (
            *("parity/quick", ["--model.output.pairing.kind", "dense"]),
            *("model.output.pairing", {"kind": "dense", "neurons": 16}),  # a field of both, as it was
        ),
        (
            *("parity/quick", ["--model.output.pairing.kind", "random", "--model.output.pairing.pairs", "7"]),
            *("model.output.pairing", {"kind": "random", "pairs": 7}),
        ),
        (
            "parity/quick-lstm",
            [
                *("--model.core.synapses.levels", "4", "--model.core.synapses.kind", "unet"),
                *("--model.core.memory", "5", "--model.core.kind", "neurons"),
            ],
            "model.core",
            {"kind": "neurons", "neurons": 104, "memory": 5, "synapses": {"kind": "unet", "levels": 4}},
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_part_of_another_kind_is_that_of_yaml(preset, arguments, path, part):
    expected = in_yaml(preset, path, **part)
    assert parsed(preset, *arguments) == expected
    assert with_options(preset, arguments) == expected


@pytest.fixture
def with_parts(tmp_path):
    """A file of an experiment whose task has a list of parts."""
    path, digits = tmp_path / "experiment.yaml", ctm.preset("digits")
    path.write_text(to_yaml(digits.replace(task=digits.task.replace(augmentations=(Crop(2),)))))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], (Crop(2),)),
        (["--task.augmentations", "flip", "crop", "--task.keep", "1"], (Flip(), Crop())),
        (["--task.augmentations={kind: flip, probability: 0.1}"], (Flip(0.1),)),
        (["--task.augmentations", "{kind: crop, padding: 1, border: reflect}", "flip"], (Crop(1, "reflect"), Flip())),
        (["--task.augmentations", "--task.keep", "1"], ()),
    ],
)
def test_the_parts_of_a_list_are_words(with_parts, arguments, parts):
    assert with_options(with_parts, arguments).task.augmentations == parts
    experiments, _ = experiments_of([with_parts, *arguments])
    assert [experiment.task.augmentations for experiment in experiments.values()] == [parts]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["flip", "crop_"], r"task\.augmentations\[1\]: kind = 'crop_': unknown; expected one of auto_augment, crop"),
        (["{kind: crop, paddin: 1}"], r"task\.augmentations\[0\]\.paddin: no such field; did you mean 'padding'"),
        (["{kind: crop"], r"Invalid value for --task\.augmentations: not YAML: while parsing a flow mapping"),
    ],
)
def test_what_is_wrong_with_a_part_of_a_list_is_said(with_parts, words, message):
    with pytest.raises(ConfigError, match=message):
        with_options(with_parts, ["--task.augmentations", *words])


def test_the_help_shows_the_parts_of_a_list_as_they_are_given(with_parts):
    training_app(with_parts).help_print([], console=Console(file=(stream := io.StringIO()), width=400))
    shown = " ".join(stream.getvalue().split())
    assert "[default: '{kind: crop, padding: 2, border: zeros}']" in shown
    words = ["--task.augmentations", "{kind: crop, padding: 2, border: zeros}"]
    assert with_options(with_parts, words) == load_experiment(with_parts)


def test_a_mapping_is_given_as_yaml_on_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr("ctm.config._MEMBERS", dict(_MEMBERS))

    @dataclasses.dataclass(frozen=True)
    class Tabled(ctm.LossConfig, kind="tabled_for_this_test"):
        """A loss with a mapping."""

        table: dict[str, Any] = dataclasses.field(default_factory=lambda: {"a": 1})
        """Any."""

        def __call__(self, thoughts, targets):
            raise NotImplementedError

    path, parity = tmp_path / "experiment.yaml", ctm.preset("parity/quick")
    path.write_text(to_yaml(parity.replace(task=parity.task.replace(loss=Tabled()))))
    option = "--task.loss.table"
    assert with_options(str(path), [option, "{}"]).task.loss == Tabled({})
    assert with_options(str(path), [option, "{b: [1, x], c: 0.5}"]).task.loss == Tabled({"b": [1, "x"], "c": 0.5})
    assert with_options(str(path), []).task.loss == Tabled()
    for value, message in (
        ("3", f"{option[2:]} = 3: expected a mapping of text"),
        ("{a", f"{option}: not YAML: while"),
    ):
        with pytest.raises(ConfigError, match=message):
            with_options(str(path), [option, value])
    training_app(str(path)).help_print([], console=Console(file=(stream := io.StringIO()), width=400))
    assert "[default: '{a: 1}']" in stream.getvalue()


def test_a_value_that_does_not_fit_the_field_of_the_other_kind_is_not_kept(monkeypatch):
    monkeypatch.setattr("ctm.config._MEMBERS", dict(_MEMBERS))

    @dataclasses.dataclass(frozen=True)
    class Counted(ctm.LossConfig, kind="counted_for_this_test"):
        """A loss whose field of the same name is a number."""

        second_tick: int = 3
        """Any."""

        def __call__(self, thoughts, targets):
            raise NotImplementedError

    changed = with_options("parity/quick", ["--task.loss.kind", str(Counted.kind)])
    assert changed.task.loss == Counted(3)


@pytest.mark.parametrize(
    ("preset", "arguments", "message"),
    [
        (
            *("parity/quick", ["--model.core.synapses.kind", "mesh"]),
            r"^model\.core\.synapses\.kind = 'mesh': unknown; expected one of mlp, unet$",
        ),
        (
            *("parity/quick", ["--model.output.pairing.kind", "random"]),
            "^to be given, since they have no default: --model.output.pairing.pairs VALUE$",
        ),
        (
            *("parity/quick-lstm", ["--model.core.kind", "neurons"]),
            r"default: --model.core.memory VALUE, --model.core.synapses.kind mlp\|unet$",
        ),
        (
            *("parity/quick", ["--model.core.synapses.kind", "unet", "--model.core.synapses.levels", "1"]),
            r"^model\.core\.synapses\.levels = 1: expected at least 2",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_about_kinds(preset, arguments, message):
    with pytest.raises(ConfigError, match=message):
        parsed(preset, *arguments)


@pytest.mark.parametrize(
    "arguments", [["--model.core.synapses.kind"], ["--model.nope.kind", "unet"], ["--training.optimizer.kind", "sgd"]]
)
def test_kinds_of_what_is_no_family_are_no_options(arguments):
    with pytest.raises(CycloptsError):
        parsed("parity/quick", *arguments)


def test_help_beside_a_kind_shows_its_fields_and_the_kinds_there_are():
    stream = io.StringIO()
    arguments = ["--model.output.pairing.kind", "random", "--model.core.synapses.kind", "unet"]
    training_app("parity/quick", arguments).help_print([], console=Console(file=stream, width=400))
    lines = {line.split()[1]: line for line in stream.getvalue().splitlines() if " --" in line}
    assert "--model.core.synapses.blocks" not in lines
    assert "[default: 8]" in lines["--model.core.synapses.levels"]
    assert "[choices: mlp, unet] [default: unet]" in lines["--model.core.synapses.kind"]
    assert "P, the number of pairs. (to be given)" in lines["--model.output.pairing.pairs"]
    assert "object" not in lines["--model.output.pairing.pairs"]
    assert "[choices: none, norm, quantile] [default: none]" in lines["--training.clipping.kind"]


def test_values_that_do_not_work_are_named_with_their_path():
    experiment = ctm.preset("parity/quick")
    for path, value in (("model.core.synapses.dropout", 1.0), ("model.ticks", 0), ("training.optimizer.epsilon", 0.0)):
        with pytest.raises(ConfigError, match=f"^{path} = {value}: expected"):
            parsed("parity/quick", f"--{path.replace('_', '-')}", str(value))
    assert experiment == ctm.preset("parity/quick")


@pytest.mark.parametrize(
    "arguments",
    [["--nope", "3"], ["--model.ticks", "abc"], ["--model.ticks"], ["stray"], ["--task.loss.second-tick", "first"]],
)
def test_options_that_do_not_parse_are_refused(arguments):
    with pytest.raises(CycloptsError):
        parsed("parity/quick", *arguments)


def test_help_has_sections_documentation_and_defaults():
    stream = io.StringIO()
    training_app("parity/quick").help_print([], console=Console(file=stream, width=400))
    text = stream.getvalue()
    sections = ["Task: what to learn", "Model: what learns it", "Training: how"]
    places = [text.index(section) for section in sections]
    assert places == sorted(places)
    for option, section in {"--task.length": 0, "--model.core.memory": 1, "--training.optimizer.betas": 2}.items():
        after = places[section + 1] if section < 2 else len(text)
        assert places[section] < text.index(option) < after
    line = next(line for line in text.splitlines() if "--model.core.memory" in line)
    assert "how many pre-activations a neuron remembers" in line
    assert "[default: 6]" in line
    assert "[default: runs/parity-quick]" in text


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_option_is_documented(name):
    """Each field's docstring is its help."""
    stream = io.StringIO()
    training_app(name).help_print([], console=Console(file=stream, width=400))
    for path, _ in leaves(ctm.preset(name)):
        if path == "task.learned":  # from data, not by an option
            continue
        option = f"--{path.replace('_', '-')} "
        lines = [line.split(option)[1] for line in stream.getvalue().splitlines() if option in line]
        assert lines, option
        assert len(lines[0].split("[default")[0].strip(" │").split()) >= 2, option


def test_an_experiment_from_a_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(ctm.preset("digits").to_dict()))
    assert load_experiment(str(path)) == ctm.preset("digits")
    assert parsed(str(path), "--model.ticks", "3").model.ticks == 3


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("digitz", "did you mean 'digits'"),
        ("none.yaml", r"none\.yaml: no such file"),
    ],
)
def test_what_cannot_be_trained(preset, message):
    with pytest.raises(ConfigError, match=message):
        training_app(preset)


def test_a_model_without_a_task_cannot_be_trained(monkeypatch):
    monkeypatch.setattr("ctm.registry._PRESETS", dict(_PRESETS))
    ctm.register("alone")(lambda: ctm.preset("digits").model)
    with pytest.raises(ConfigError, match=r"^preset = 'alone': a model without a task, which cannot be trained yet$"):
        training_app("alone")


def test_settings_of_a_preset_as_on_the_command_line():
    changed = with_options("parity/quick", ["--training.iterations", "7", "--task.loss.second-tick=last"])
    preset = ctm.preset("parity/quick")
    training = preset.training.replace(iterations=7)
    assert changed == preset.replace(training=training, task=preset.task.replace(loss=ctm.TwoTickLoss("last")))
    assert with_options("digits", []) == ctm.preset("digits")


def test_settings_are_changed_in_all_models_of_a_comparison(tmp_path):
    found, _ = experiments_of(["parity/quick", "parity/quick-lstm", "--training.batch-size", "8"])
    assert list(found) == ["parity/quick", "parity/quick-lstm"]
    assert {experiment.training.batch_size for experiment in found.values()} == {8}
    path = tmp_path / "models.yaml"
    path.write_text("CTM: parity/quick\nLSTM: parity/quick-lstm\n")
    named, presets = experiments_of(["--training.batch-size", "8"], path)
    assert named == {"CTM": found["parity/quick"], "LSTM": found["parity/quick-lstm"]}
    assert presets == {"CTM": "parity/quick", "LSTM": "parity/quick-lstm"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parity/quick", "parity/quick-lstm", "--model.core.memory", "3"], "^parity/quick-lstm: Unknown option"),
        (["parity/quick", "--model.ticks", "0"], "^parity/quick: model.ticks = 0: expected at least 1"),
        (["parity/quick", "--training.seed", "1"], "give seeds as --seeds 0 1 2, not as --training.seed"),
        (["parity/quick", "--training.seed=1"], "give seeds as --seeds 0 1 2, not as --training.seed"),
        (["parity/quick", "--run", "x"], "^parity/quick: Unknown option: --run"),
    ],
)
def test_mistakes_of_a_comparison_name_the_model(arguments, message):
    with pytest.raises(ConfigError, match=message):
        experiments_of(arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("- a", "expected a line NAME: PRESET"),
        ("a: 3", "expected a line NAME: PRESET"),
        ("'.': digits", "expected a line NAME: PRESET"),
        ("a: {", "not YAML: while parsing"),
    ],
)
def test_files_of_models_that_are_none(tmp_path, content, message):
    path = tmp_path / "models.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=rf"models\.yaml: {message}"):
        experiments_of([], path)


def test_presets_and_a_file_of_models_are_too_much():
    with pytest.raises(ConfigError, match=r"give presets, such as digits, or --models x\.yaml, not both"):
        experiments_of(["digits"], Path("x.yaml"))


def test_experiments_in_files_need_nothing_else(tmp_path):
    """In a fresh process, that knows no kinds of parts before it reads the file."""
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(ctm.preset("parity/quick-lstm")))
    program = f"from ctm.cli.options import load_experiment; print(load_experiment({str(path)!r}).model.core.kind)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "lstm\n"
