import dataclasses
import io
from pathlib import Path

import pytest
from cyclopts import CycloptsError
from rich.console import Console

import ctm
from ctm import ConfigError
from ctm.cli.options import experiments_of, load_experiment, settings_of, training_app, with_options, with_settings

TRAINABLE = [name for name in ctm.presets() if isinstance(ctm.preset(name), ctm.Experiment)]


def parsed(preset, *arguments):
    """The experiment that a command line uses_query for."""
    app = training_app(preset)
    _, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
    settings = bound.arguments.get("settings")
    experiment = load_experiment(preset)
    return experiment if settings is None else with_settings(experiment, settings)


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
    settings = settings_of(experiment)()
    assert with_settings(experiment, settings) == experiment
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
        option = f"--{path.replace('_', '-')} "
        lines = [line.split(option)[1] for line in stream.getvalue().splitlines() if option in line]
        assert lines, option
        assert len(lines[0].split("[default")[0].strip(" │").split()) >= 2, option


def test_an_experiment_from_a_file(tmp_path):
    import yaml

    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(ctm.preset("digits").to_dict()))
    assert load_experiment(str(path)) == ctm.preset("digits")
    assert parsed(str(path), "--model.ticks", "3").model.ticks == 3


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("imagenet/paper", "preset = 'imagenet/paper': a model without a task"),
        ("digitz", "did you mean 'digits'"),
        ("none.yaml", r"none\.yaml: no such file"),
    ],
)
def test_what_cannot_be_trained(preset, message):
    with pytest.raises(ConfigError, match=message):
        training_app(preset)


def test_settings_of_a_preset_as_on_the_command_line():
    changed = with_options("parity/quick", ["--training.iterations", "7", "--task.loss.second-tick=last"])
    preset = ctm.preset("parity/quick")
    training = preset.training.replace(iterations=7)
    assert changed == preset.replace(training=training, task=preset.task.replace(loss=ctm.TwoTickLoss("last")))
    assert with_options("digits", []) == ctm.preset("digits")


def test_settings_are_changed_in_all_models_of_a_comparison(tmp_path):
    found = experiments_of(["parity/quick", "parity/quick-lstm", "--training.batch-size", "8"])
    assert list(found) == ["parity/quick", "parity/quick-lstm"]
    assert {experiment.training.batch_size for experiment in found.values()} == {8}
    path = tmp_path / "models.yaml"
    path.write_text("CTM: parity/quick\nLSTM: parity/quick-lstm\n")
    named = experiments_of(["--training.batch-size", "8"], path)
    assert named == {"CTM": found["parity/quick"], "LSTM": found["parity/quick-lstm"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["parity/quick", "parity/quick-lstm", "--model.core.memory", "3"], "^parity/quick-lstm: Unknown option"),
        (["parity/quick", "--model.ticks", "0"], "^parity/quick: model.ticks = 0: expected at least 1"),
        (["parity/quick", "--training.seed", "1"], "give seeds as --seeds 0 1 2, not as --training.seed"),
        (["parity/quick", "--training.seed=1"], "give seeds as --seeds 0 1 2, not as --training.seed"),
        (["parity/quick", "--run", "x"], "^parity/quick: Unknown option: --run"),
        (["cifar10/lstm"], "'cifar10/lstm': a model without a task"),
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
