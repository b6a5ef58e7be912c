"""Every field of an experiment as an option of the command line, with the preset's own values as defaults."""

import dataclasses
import functools
import itertools
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import docstring_parser
import yaml
from cyclopts import App, CycloptsError, Group, Parameter, Token

from ctm.config import Config, fits, item_class, part_class, read_yaml
from ctm.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound=Config)

SECTIONS = {"task": "Task: what to learn", "model": "Model: what learns it", "training": "Training: how"}

MISSING: Any = object()
"""In place of a value that has no default and was not given."""


def training_app(preset: str, arguments: Sequence[str] = ()) -> App:
    """The command `ctm train PRESET`, whose options are the fields of the preset.

    Args:
        preset: a name, or a YAML file of an experiment.
        arguments: what follows; the kinds of parts that it asks for are those whose fields are options.

    Raises:
        ConfigError: if there is no such preset, or none that can be trained, or no such kind.
    """
    if preset.startswith("-"):
        raise ConfigError(f"train: the preset comes first, as in 'ctm train digits {preset}'")
    from ctm.files import folder_name

    experiment = load_experiment(preset)
    Settings: Any = settings_of(type(experiment), values_of(experiment, arguments), SECTIONS)
    default_run = Path("runs") / folder_name(preset)
    app = _app(f"ctm train {preset}")

    @app.default
    def start(
        *,
        run: Annotated[Path, Parameter(help="Folder of the new run.")] = default_run,
        weights: Annotated[
            Path | None,
            Parameter(
                help="What to start from, as for `ctm.load`: a run, a checkpoint, a saved model; or a file of weights."
            ),
        ] = None,
        quiet: Annotated[bool, Parameter(help="Print nothing while training.", negative=())] = False,
        settings: Annotated[Settings, Parameter(name="*")] = Settings(),
    ) -> int:
        """Trains a preset, with any of its settings changed."""
        from ctm.cli.train import go_on, say_fitted
        from ctm.comparison.settings import differing
        from ctm.hub.load import read_weights
        from ctm.training import Run

        asked = with_settings(type(experiment), settings)
        fitted = asked.fitted()
        fitted.task.build()  # finds missing data before anything is written
        _, changed = differing([experiment, asked])
        origin = {"preset": preset, "settings": changed}
        made = Run.create(run, fitted, None if weights is None else read_weights(weights), origin)
        if not quiet:
            say_fitted(asked, fitted)
        return go_on(made, quiet)

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
    app = _app(preset)
    try:
        Settings: Any = settings_of(type(experiment), values_of(experiment, options))

        @app.default
        def change(*, settings: Annotated[Settings, Parameter(name="*")] = Settings()) -> Any:
            return with_settings(type(experiment), settings)

        return app(options, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, ConfigError) as error:
        raise ConfigError(f"{preset}: {error}") from None


def experiments_of(arguments: list[str], models: Path | None = None) -> tuple[dict[str, Any], dict[str, str]]:
    """The experiments of a comparison by name, and the presets that they are made from, from its command line.

    Args:
        arguments: presets or YAML files, then settings to be changed in all of them; with several values, all
            combinations are experiments.
        models: a YAML file that maps names to presets, instead of these.

    Raises:
        ConfigError: if one of them cannot be found or changed.
    """
    from ctm.comparison.sweep import sweep

    first = next((place for place, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    presets, options = arguments[:first], arguments[first:]
    if any(option.split("=")[0] == "--training.seed" for option in options):
        raise ConfigError("compare: give seeds as --seeds 0 1 2, not as --training.seed")
    if models is not None and presets:
        raise ConfigError(f"compare: give presets, such as {presets[0]}, or --models {models}, not both")
    named = {preset: preset for preset in presets} if models is None else _read_names(models)
    swept = {
        name: sweep(name, load_experiment(preset), options, functools.partial(with_options, preset))
        for name, preset in named.items()
    }
    experiments = {model: experiment for made in swept.values() for model, experiment in made.items()}
    return experiments, {model: named[name] for name, made in swept.items() for model in made}


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
    """The experiment of a preset, of a YAML file, or of a Python file that registers one.

    Raises:
        ConfigError: if there is none, or it is a model without a task.
    """
    from ctm.training import Experiment

    experiment = load_config(preset)
    if not isinstance(experiment, Experiment):
        raise ConfigError(f"preset = {preset!r}: a model without a task, which cannot be trained yet")
    return experiment


def load_config(preset: str) -> Any:
    """As `load_experiment`, and the machine of a preset without a task.

    Raises:
        ConfigError: if there is none.
    """
    from ctm import plugins, tasks
    from ctm.registry import preset as find
    from ctm.registry import presets
    from ctm.training import Experiment

    tasks.load()
    if preset not in presets() and (Path(preset) / "config.yaml").is_file():
        raise ConfigError(
            f"preset = {preset!r}: a run's folder; 'ctm train --resume {preset}' goes on with the run, and "
            f"{Path(preset, 'config.yaml')} is a preset like any other"
        )
    if preset.endswith((".yaml", ".yml")):
        return plugins.read_config(Experiment, Path(preset))
    return find(preset)


def values_of(config: Config, arguments: Sequence[str]) -> dict[str, Any]:
    """The fields of a configuration as nested dictionaries, with the kinds that `--PATH.kind KIND` asks for.

    A part of another kind keeps the values of the fields that both kinds have, where they fit; other fields of it are
    left out.

    Args:
        config: where the values come from.
        arguments: a command line, of which only these options are looked at.

    Raises:
        ConfigError: for a kind that there is not.
    """
    values = _values(config)
    kinds = {}
    for word, following in itertools.pairwise([*arguments, ""]):
        option, equals, value = word.partition("=")
        value = value if equals else following
        if option.startswith("--") and option.endswith(".kind") and value:
            kinds[option.removeprefix("--").replace("-", "_")] = value
    for path, kind in sorted(kinds.items(), key=lambda item: item[0].count(".")):  # a part before the parts in it
        values = _with_kind(type(config), values, path.split(".")[:-1], kind, path)
    return values


def _values(config: Config) -> dict[str, Any]:
    """As `to_dict`, with the very values."""
    values: dict[str, Any] = {} if config.kind is None else {"kind": config.kind}
    for field in dataclasses.fields(config):  # ty: ignore[invalid-argument-type]
        value = getattr(config, field.name)
        values[field.name] = _values(value) if isinstance(value, Config) else value
    return values


def _with_kind(cls: type[Config], values: dict[str, Any], path: list[str], kind: str, option: str) -> dict[str, Any]:
    """The values of a part in which the part at `path` is of another kind; as they are if there is no such part."""
    name, *rest = path
    part = part_class(typing.get_type_hints(_member(cls, values)).get(name))
    old = values.get(name) or {}
    if part is None or not (rest or part.kinds()):
        return values
    if rest:
        return values | {name: _with_kind(part, old, rest, kind, option)}
    if kind not in part.kinds():
        raise ConfigError(f"{option} = {kind!r}: unknown; expected one of {', '.join(sorted(part.kinds()))}")
    if kind == old.get("kind"):
        return values
    hints = typing.get_type_hints(part.kinds()[kind])
    fields = [field.name for field in dataclasses.fields(part.kinds()[kind])]  # ty: ignore[invalid-argument-type]
    kept = {field: old[field] for field in fields if field in old and fits(old[field], hints[field])}
    return values | {name: {"kind": kind} | kept}


def _member(cls: type[Config], values: dict[str, Any]) -> type[Config]:
    """The class that values describe: that of their kind, if they are those of a family."""
    return cls.kinds().get(values.get("kind", cls.kind or cls.default_kind), cls)


def settings_of(cls: type[Config], values: dict[str, Any], sections: dict[str, str] | None = None) -> Any:
    """A dataclass for the command line to fill in, whose fields are those of a configuration.

    Parts become dataclasses of their own, of which those of a family also have their kind as a field. A field without
    a value has the default of its class, or is `MISSING` until it is given; one with the metadata {"option": False},
    which is learned from data, is left out.

    Args:
        cls: the class to mirror.
        values: of its fields, as `values_of` gives them.
        sections: headings in the help, by field.
    """
    fields: list[Any] = []
    member = _member(cls, values)
    if cls.kinds():
        kinds: Any = Literal[tuple(sorted(cls.kinds()))]  # ty: ignore[invalid-type-form]
        fields.append(_field("kind", kinds, values.get("kind", cls.default_kind or MISSING), "Which kind."))
    if member.kind is None and cls.kinds():  # which fields there are is not known yet
        return _made(cls, fields)
    hints, helped = typing.get_type_hints(member), _documentation(member)
    for field in dataclasses.fields(member):  # ty: ignore[invalid-argument-type]
        if not field.metadata.get("option", True):
            continue
        part = part_class(hints[field.name])
        value = values.get(field.name, _default(field))
        section: dict[str, Any] = {"group": Group.create_ordered(sections[field.name])} if sections else {}
        if part is not None and value is not None:
            made = settings_of(part, {} if value is MISSING else value)
            fields.append(_field(field.name, made, made(), helped.get(field.name), **section))
        else:
            hint = hints[field.name]
            words: dict[str, Any] = _OF_PARTS if item_class(hint) else {}
            if typing.get_origin(hint) is dict:
                hint, words = str, _OF_MAPPINGS  # of a dict, each key would be an option
            fields.append(_field(field.name, hint, value, helped.get(field.name), **section, **words))
    return _made(cls, fields)


def _read_parts(_: Any, words: Sequence[Token]) -> list[Any]:
    """The parts of a list, each a word: its kind, or kind and fields as in YAML, such as "{kind: crop, padding: 2}"."""
    try:
        parts = [yaml.safe_load(word.value) for word in words]
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None
    return [{"kind": part} if isinstance(part, str) else part for part in parts]


def _show_parts(parts: tuple[Config, ...]) -> str:
    """What to write for these parts."""
    fields = [yaml.safe_dump(part.to_dict(), default_flow_style=True, sort_keys=False, width=1000) for part in parts]
    return " ".join(f"'{text.strip()}'" for text in fields) or "none"


_OF_PARTS: dict[str, Any] = {
    "converter": _read_parts,
    "show_default": _show_parts,
    "n_tokens": -1,  # as many as there are
    "accepts_keys": False,
}
"""How a list of parts is given on the command line."""


def _read_mapping(_: Any, words: Sequence[Token]) -> Any:
    """A mapping as YAML has it on a line, such as "{max_steps: 300}"."""
    try:
        return yaml.safe_load(words[0].value)
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None


_OF_MAPPINGS: dict[str, Any] = {
    "converter": _read_mapping,
    "show_default": lambda mapping: f"'{yaml.safe_dump(mapping, default_flow_style=True, width=1000).strip()}'",
    "n_tokens": 1,
    "accepts_keys": False,
}
"""How a mapping is given on the command line."""


def _field(name: str, hint: Any, default: Any, text: str | None, **others: Any) -> Any:
    if default is MISSING:
        text, others["show_default"] = f"{text} (to be given)", False
    given: dict[str, Any] = {"default_factory": lambda: default} if isinstance(default, dict) else {"default": default}
    return name, Annotated[hint, Parameter(help=text, **others)], dataclasses.field(**given)


def _made(cls: type[Config], fields: list[Any]) -> Any:
    made = dataclasses.make_dataclass(cls.__name__, fields, frozen=True)
    made.__module__ = __name__  # a class of no module is taken for a built-in type by the command line
    return made


def _default(field: dataclasses.Field) -> Any:
    """What a field is where nobody says so."""
    default = field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    if default is dataclasses.MISSING:
        return MISSING
    return _values(default) if isinstance(default, Config) else default


@functools.cache
def _documentation(cls: type[Config]) -> dict[str, str | None]:
    """The docstrings of the fields of a class, by name."""
    documented = [docstring_parser.parse_from_object(base) for base in cls.__mro__[:-1]]
    return {p.arg_name: p.description for docstring in reversed(documented) for p in docstring.params}


def with_settings(cls: type[ConfigT], settings: Any) -> ConfigT:
    """The configuration with all values of `settings`, which `settings_of` has made: what a YAML file of them means.

    Raises:
        ConfigError: for a value that does not work, with the path of its field, or one that is missing.
    """
    missing = list(_missing(settings, ""))
    if missing:
        raise ConfigError(f"to be given, since they have no default: {', '.join(missing)}")
    return cls.from_dict(_plain(settings))


def _plain(settings: Any) -> Any:
    if not dataclasses.is_dataclass(settings):
        return settings
    return {field.name: _plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}


def _missing(settings: Any, at: str) -> Iterator[str]:
    """How to write the options that have no value yet."""
    for field in dataclasses.fields(settings):
        value, here = getattr(settings, field.name), f"{at}{field.name}"
        if value is MISSING:
            (hint, *_) = typing.get_args(field.type)
            yield f"--{here.replace('_', '-')} {'|'.join(typing.get_args(hint)) if field.name == 'kind' else 'VALUE'}"
        elif dataclasses.is_dataclass(value):
            yield from _missing(value, f"{here}.")
