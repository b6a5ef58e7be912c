"""Writes docs/commands.md: every command with its options, every setting of a preset, and the kinds of parts."""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App
from cyclopts.argument import Argument

import ctm
from ctm import tasks
from ctm.cli.app import app
from ctm.cli.options import _documentation, training_app
from ctm.config import Config
from ctm.training.clipping import Clipping
from ctm.training.config import LearningConfig
from ctm.training.schedules import Schedule

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

INTRODUCTION = """\
# Commands

<!-- Made by tools/make_commands.py from the commands themselves. -->

`ctm COMMAND --help` says the same. Every command takes `--import my_task.py` or `--import my_package`, several times
perhaps, to know the tasks, parts and presets in it ([how](your-task.md)).
"""

SETTINGS = """\
## Settings of a preset

`ctm train PRESET`, `ctm compare PRESETS…` and `ctm presets PRESET` take every field of the preset's configuration as an
option. These are the settings of `digits` with their values; `ctm train PRESET --help` lists those of any other.
"""

KINDS = """\
## Kinds of parts

`--PATH.kind KIND` puts another kind of part into a preset, as in `--model.core.synapses.kind unet`. What can be set of
each kind, as fields of a YAML file, and as options with dashes for the underscores, after the path of the part:
"""

PARAMETERS = "\nParameters\n---"
"""Where what a command does ends and its options begin."""

FAMILIES: dict[str, type[Config]] = {
    "task": ctm.TaskConfig,
    "loss": ctm.LossConfig,
    "model.backbone": ctm.BackboneConfig,
    "model.observer": ctm.ObserverConfig,
    "positions, of an observer": ctm.PositionConfig,
    "model.core": ctm.CoreConfig,
    "synapses, of a core": ctm.SynapseConfig,
    "models, of a core": ctm.NeuronModelConfig,
    "model.action and model.output": ctm.RepresentationConfig,
    "pairing, of a representation": ctm.Pairing,
    "model.readout": ctm.ReadoutConfig,
    "training": LearningConfig,
    "training.schedule": Schedule,
    "training.clipping": Clipping,
}


def one_line(text: str | None) -> str:
    """Text without its line breaks, and without what Markdown would take for a tag."""
    return " ".join((text or "").split()).replace("<", "&lt;").replace("*", "\\*")


def type_name(hint: typing.Any) -> str:
    """A type as it is shown beside a name."""
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(str, typing.get_args(hint)))
    inner = [part for part in typing.get_args(hint) if part is not type(None)]
    if typing.get_origin(hint) in (typing.Union, types.UnionType) and len(inner) < len(typing.get_args(hint)):
        return f"{' or '.join(map(type_name, inner))}, or nothing"
    text = hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    return re.sub(r"\b(?:\w+\.)+(\w)", r"\1", text)


def default_of(argument: Argument) -> str:
    """What is taken where an option is not given."""
    default = argument.field_info.default
    if callable(argument.parameter.show_default):
        return f" Default: `{argument.parameter.show_default(default)}`."
    if default in (None, False, (), inspect.Parameter.empty) or argument.parameter.show_default is False:
        return ""
    return f" Default: `{default}`."


def options(command: App) -> Iterator[tuple[str, str]]:
    """The options of a command in Markdown, each with the heading that it belongs to."""
    for argument in command.assemble_argument_collection(default_parameter=app.default_parameter, parse_docstring=True):
        if argument.show:
            name = ", ".join(f"`{name}`" for name in argument.names)
            hint = "" if argument.hint is bool else f" ({type_name(argument.hint)})"
            (group, *_) = [group.name for group in argument.parameter.group or ()] or [""]
            yield group, f"- {name}{hint}: {one_line(argument.parameter.help)}{default_of(argument)}"


def fields(member: type[Config]) -> Iterator[str]:
    """The fields of a kind of part in Markdown."""
    hints, texts = typing.get_type_hints(member), _documentation(member)
    for field in dataclasses.fields(member):  # ty: ignore[invalid-argument-type]
        yield f"- `{field.name}` ({type_name(hints[field.name])}): {one_line(texts.get(field.name))}"


def page() -> str:
    """The whole page."""
    tasks.load()
    lines = [INTRODUCTION]
    for name in app:
        if not name.startswith("-"):
            command = app[name]
            lines += [f"## ctm {name}\n", f"{inspect.cleandoc(command.help).split(PARAMETERS)[0].strip()}\n"]
            lines += [*(text for _, text in options(command)), ""]
    lines.append(SETTINGS)
    last = None
    for group, text in options(training_app("digits")):
        if group != last:
            lines += ["", f"### {'The run' if group == 'Parameters' else group}\n"]
        last = group
        lines.append(text)
    lines += ["", KINDS]
    for path, family in FAMILIES.items():
        lines.append(f"### Kinds of {path}\n")
        for kind, member in sorted(family.kinds().items()):
            if member.__module__.startswith("ctm."):
                says = one_line(inspect.cleandoc(member.__doc__ or "").split("\n\n")[0])
                lines += [f"#### {kind}\n", says if not says.startswith(f"{member.__name__}(") else "", ""]
                lines += [*fields(member), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
