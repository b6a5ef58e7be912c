"""Every field of an experiment as an option of the command line, with the preset's own values as defaults."""

import dataclasses
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar

import docstring_parser
from cyclopts import App, CycloptsError, Group, Parameter

from ctm.config import Config, load_yaml, read_yaml
from ctm.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound=Config)

SECTIONS = {"task": "Task: what to learn", "model": "Model: what learns it", "training": "Training: how"}


def training_app(preset: str) -> App:
    """The command `ctm train PRESET`, whose options are the fields of the preset.

    Args:
        preset: a name, or a YAML file of an experiment.

    Raises:
        ConfigError: if there is no such preset, or none that can be trained.
    """
    if preset.startswith("-"):
        raise ConfigError(f"train: the preset comes first, as in 'ctm train digits {preset}'")
    from ctm.training.files import folder_name

    experiment = load_experiment(preset)
    Settings: Any = settings_of(experiment, SECTIONS)
    default_run = Path("runs") / folder_name(preset)
    app = _app(f"ctm train {preset}")

    @app.default
    def start(
        *,
        run: Annotated[Path, Parameter(help="Folder of the new run.")] = default_run,
        quiet: Annotated[bool, Parameter(help="Print nothing while training.", negative=())] = False,
        settings: Annotated[Settings, Parameter(name="*")] = Settings(),
    ) -> int:
        """Trains a preset, with any of its settings changed."""
        from ctm.cli.app import go_on
        from ctm.training import Run

        changed = with_settings(experiment, settings).fitted()
        changed.task.build()  # finds missing data before anything is written
        return go_on(Run.create(run, changed), quiet)

    return app


def with_options(preset: str, options: list[str]) -> Any:
    """The experiment of a preset, or of a YAML file, with some of its settings changed.

    Args:
        preset: its name.
        options: as on the command line, such as ["--training.iterations", "300"].

    Raises:
        ConfigError: if there is no such experiment, or no such setting, or it cannot have this value.
    """
    experiment = load_experiment(preset)
    Settings: Any = settings_of(experiment)
    app = _app(preset)

    @app.default
    def change(*, settings: Annotated[Settings, Parameter(name="*")] = Settings()) -> Any:
        return with_settings(experiment, settings)

    try:
        return app(options, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, ConfigError) as error:
        raise ConfigError(f"{preset}: {error}") from None


def experiments_of(arguments: list[str], models: Path | None = None) -> dict[str, Any]:
    """The experiments of a comparison by name, from its command line.

    Args:
        arguments: presets or YAML files, then settings to be changed in all of them.
        models: a YAML file that maps names to presets, instead of these.

    Raises:
        ConfigError: if one of them cannot be found or changed.
    """
    first = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    presets, options = arguments[:first], arguments[first:]
    if any(option.split("=")[0] == "--training.seed" for option in options):
        raise ConfigError("compare: give seeds as --seeds 0 1 2, not as --training.seed")
    if models is not None and presets:
        raise ConfigError(f"compare: give presets, such as {presets[0]}, or --models {models}, not both")
    named = {preset: preset for preset in presets} if models is None else _read_names(models)
    return {name: with_options(preset, options) for name, preset in named.items()}


def _read_names(path: Path) -> dict[str, str]:
    """What a YAML file calls some presets."""
    found = read_yaml(path)
    words = [word for item in found.items() for word in item] if isinstance(found, dict) else [None]
    if not all(isinstance(word, str) and word.strip("./ ") for word in words):
        raise ConfigError(f"{path}: expected a line NAME: PRESET for each model")
    return found


def _app(name: str) -> App:
    return App(
        name=name,
        version_flags=[],
        default_parameter=Parameter(negative_iterable=(), consume_multiple=True),
        suppress_keyboard_interrupt=False,
    )


def load_experiment(preset: str) -> Any:
    """The experiment of a preset or of a YAML file.

    Raises:
        ConfigError: if there is none, or it is a model without a task.
    """
    from ctm import tasks
    from ctm.registry import preset as find
    from ctm.training import Experiment

    tasks.load()
    if preset.endswith(".py"):
        raise ConfigError(f"preset = {preset!r}: a Python file is not a preset; 'ctm presets' lists them")
    experiment = load_yaml(Experiment, Path(preset)) if preset.endswith((".yaml", ".yml")) else find(preset)
    if not isinstance(experiment, Experiment):
        raise ConfigError(f"preset = {preset!r}: a model without a task, which cannot be trained yet")
    return experiment


def settings_of(config: Config, sections: dict[str, str] | None = None) -> Any:
    """A dataclass with the fields of a configuration and its values as defaults, for the command line to fill in.

    Parts become dataclasses of their own; their kinds are those of `config`, so that every field is known. Fields with
    the metadata {"option": False}, which are learned from data, are left out.

    Args:
        config: what to mirror.
        sections: headings in the help, by field.
    """
    hints = typing.get_type_hints(type(config))
    documented = [docstring_parser.parse_from_object(base) for base in type(config).__mro__[:-1]]
    help_of = {p.arg_name: p.description for docstring in reversed(documented) for p in docstring.params}
    fields: list[Any] = []
    for field in dataclasses.fields(config):  # ty: ignore[invalid-argument-type]
        if not field.metadata.get("option", True):
            continue
        value = getattr(config, field.name)
        hint: Any = hints[field.name]
        default = value
        if isinstance(value, Config):
            hint = settings_of(value)
            default = hint()
            if not dataclasses.fields(hint):
                continue
        section: dict[str, Any] = {"group": Group.create_ordered(sections[field.name])} if sections else {}
        parameter = Parameter(help=help_of.get(field.name), **section)
        fields.append((field.name, Annotated[hint, parameter], dataclasses.field(default=default)))
    made = dataclasses.make_dataclass(type(config).__name__, fields, frozen=True)
    made.__module__ = __name__  # a class of no module is taken for a built-in type by the command line
    return made


def with_settings(config: ConfigT, settings: Any, where: str = "") -> ConfigT:
    """The configuration with all values of `settings`, which `settings_of` has made.

    Raises:
        ConfigError: for a value that does not work, with the path of its field.
    """
    values = {}
    for field in dataclasses.fields(settings):
        value, old = getattr(settings, field.name), getattr(config, field.name)
        values[field.name] = with_settings(old, value, f"{where}{field.name}.") if isinstance(old, Config) else value
    try:
        return config.replace(**values)
    except ConfigError as error:
        raise ConfigError(where + str(error)) from None
