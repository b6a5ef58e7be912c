"""Configuration: frozen dataclasses that check themselves and travel as plain dictionaries.

Every part of a machine, every task and the training engine is described by a subclass of `Config` that sits inside
or beside the class it builds. A family of interchangeable parts (backbones, pairings, …) shares a base class; each
member names itself with `kind`, and this is how a YAML file says which one it means:

    backbone: {kind: resnet, depth: 18, stages: 1}

A kind belongs to one class of a family, and every class of a family that can be built has one.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar, Union

import yaml

from ctm.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound="Config")


class Config:
    """Base of all configurations: immutable, checked on construction, convertible to and from dictionaries.

    Subclasses are frozen dataclasses. Field types are checked when an object is made; `validate` adds what types
    cannot say. `kind` names a member of a family of alternatives, as in `class Mine(SynapseConfig, kind="mine")`.
    """

    kind: ClassVar[str | None] = None
    default_kind: ClassVar[str | None] = None
    """Of a family: which member it is that data without a kind describe."""

    def __init_subclass__(cls, kind: str | None = None) -> None:
        cls.kind = cls.__dict__.get("kind") if kind is None else kind
        if cls.kind is not None:
            _join_families(cls)
        elif _lacks_a_kind(cls):
            raise ConfigError(
                f"{_full_name(cls)}: a part without a kind could not be read back from a configuration file; "
                f'name it: class {cls.__name__}({cls.__bases__[0].__name__}, kind="…")'
            )

    def __post_init__(self) -> None:
        for name, hint in _fields(type(self)).items():
            value = getattr(self, name)
            if not _conforms(value, hint):
                raise ConfigError(f"{name} = {value!r}: expected {_describe(hint)}")
        self.validate()

    def validate(self) -> None:
        """Checks values beyond their types; raises `ConfigError`."""

    def require(self, allowed: bool, name: str, expected: str) -> None:
        """Raises `ConfigError` naming the field, its value and what is `expected`, unless `allowed`."""
        if not allowed:
            raise ConfigError(f"{name} = {getattr(self, name)!r}: expected {expected}")

    def replace(self: ConfigT, **changes: Any) -> ConfigT:
        """A copy with some fields changed, checked again."""
        return dataclasses.replace(self, **changes)  # ty: ignore[invalid-argument-type]

    def modules(self) -> tuple[str, ...]:
        """The modules without which it could not be read back: that of its class."""
        return (type(self).__module__,)

    def to_dict(self) -> dict[str, Any]:
        """This configuration as nested dictionaries, lists and scalars, ready for YAML or JSON."""
        tag = {} if self.kind is None else {"kind": self.kind}
        return tag | {name: _plain(getattr(self, name)) for name in _fields(type(self))}

    @classmethod
    def from_dict(cls: type[ConfigT], data: Any, where: str = "") -> ConfigT:
        """Builds a configuration from what `to_dict` gives.

        Args:
            data: nested mappings; fields with a default may be missing.
            where: the path of this part inside the whole, for error messages.

        Raises:
            ConfigError: for an unknown `kind` or field, a missing field, or a value of the wrong type.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"{where or 'configuration'} = {data!r}: expected a mapping of fields")
        at = f"{where}." if where else ""
        cls, data = cls._member(dict(data), where)
        fields = _fields(cls)
        for name in data:
            if name not in fields:
                raise ConfigError(f"{at}{name}: no such field{_did_you_mean(str(name), fields)}")
        try:
            return cls(**{name: _parse(value, fields[name], at + name) for name, value in data.items()})
        except ConfigError as error:  # raised by the checks of this very part: say where it is
            raise ConfigError(str(error) if str(error).startswith(at) else at + str(error)) from None
        except TypeError:
            required = [f.name for f in dataclasses.fields(cls) if _is_required(f)]  # ty: ignore
            missing = [name for name in required if name not in data]
            if not missing:
                raise
            raise ConfigError(f"{at}{missing[0]}: missing; it has no default") from None

    @classmethod
    def kinds(cls: type[ConfigT]) -> dict[str, type[ConfigT]]:
        """The members of the family that this class stands for, by kind; none if it is not of a family."""
        families = [_MEMBERS.get(family, {}) for family in _families(cls)]
        return {kind: member for family in families for kind, member in family.items() if issubclass(member, cls)}

    @classmethod
    def _member(cls: type[ConfigT], data: dict[str, Any], where: str) -> tuple[type[ConfigT], dict[str, Any]]:
        """The member of the family `cls` that `data` describes, and the data without its `kind`."""
        members = cls.kinds()
        if not members:
            return cls, data
        at = f"{where}: " if where else ""
        kind = data.pop("kind", cls.kind or cls.default_kind)
        if kind is None:
            raise ConfigError(f"{at}kind: missing; expected one of {', '.join(sorted(members))}")
        if kind not in list(members):  # a list, since what is compared may be anything
            raise ConfigError(
                f"{at}kind = {kind!r}: unknown; expected one of {', '.join(sorted(members))}; "
                "if it is a part of your own, import the file or package that defines it first (--import)"
            )
        return members[kind], data


_MEMBERS: dict[type[Config], dict[str, type[Config]]] = {}
"""All classes that have a kind, by family and kind."""


def _families(cls: type[Config]) -> list[type[Config]]:
    """The bases of the families that a class belongs to, itself perhaps."""
    return [base for base in cls.__mro__ if issubclass(base, Config) and Config in base.__bases__]


def _join_families(cls: type[Config]) -> None:
    """Makes a class the member of its kind, and of the same class defined again, as in a notebook, the latest one.

    Raises:
        ConfigError: if another class has that kind.
    """
    for family in _families(cls):
        others = {kind: m for kind, m in _MEMBERS.get(family, {}).items() if _full_name(m) != _full_name(cls)}
        if cls.kind in others:
            raise ConfigError(
                f"kind = {cls.kind!r}: {_full_name(cls)} and {_full_name(others[cls.kind])} have the same one; "
                f"choose another for one of them"
            )
        _MEMBERS[family] = others | {str(cls.kind): cls}


def _lacks_a_kind(cls: type[Config]) -> bool:
    """Whether a class without a kind can be built and others of its family can be meant as well."""
    in_a_family = any(
        base.kind is not None or _is_abstract(base) for base in cls.__mro__[1:-1] if issubclass(base, Config)
    )
    return in_a_family and not _is_abstract(cls)


def _is_abstract(cls: type) -> bool:
    return any(getattr(getattr(cls, name), "__isabstractmethod__", False) for name in dir(cls))


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def load_yaml(cls: type[ConfigT], path: Path) -> ConfigT:
    """Reads a configuration from a YAML file.

    Raises:
        ConfigError: if the file is missing, is not YAML, or does not describe a `cls`; the message names the file.
    """
    content = read_yaml(path)
    if content is None:
        raise ConfigError(f"{path}: empty: expected the fields of a configuration")
    try:
        return cls.from_dict(content)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def to_yaml(config: Config) -> str:
    """A configuration as YAML from which `load_yaml` makes an equal one.

    Raises:
        ConfigError: for a value that YAML cannot hold or gives back as another one, with the path of its field.
    """
    data = config.to_dict()
    _require_readable(config, "")
    text = yaml.safe_dump(data, sort_keys=False)
    type(config).from_dict(yaml.safe_load(text))  # finds a part that its field does not know
    return text


def _require_readable(config: Config, at: str) -> None:
    for name, hint in _fields(type(config)).items():
        value = getattr(config, name)
        if isinstance(value, Config):
            _require_readable(value, f"{at}{name}.")
            continue
        try:
            again = _parse(yaml.safe_load(yaml.safe_dump(_plain(value))), hint, at + name)
            same = again == value or repr(again) == repr(value)  # nan is not equal to itself
        except (yaml.YAMLError, ConfigError):
            same = False
        if not same:
            raise ConfigError(
                f"{at}{name} = {value!r}: YAML cannot hold a {_full_name(type(value))}; "
                "expected text, numbers, true, false or nothing, or a list of them"
            )


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        ConfigError: if the file is missing, or is not YAML; the message names it.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text in UTF-8: {error}") from None
    except (ValueError, yaml.YAMLError) as error:  # a ValueError for such as 2024-13-01, no date
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def part_class(hint: Any) -> type[Config] | None:
    """The class of the parts that a field of this type holds, a family perhaps; nothing for a field of plain values."""
    parts = [part for part in _alternatives(hint) if isinstance(part, type) and issubclass(part, Config)]
    return parts[0] if parts else None


def item_class(hint: Any) -> type[Config] | None:
    """The class of the parts of which a field of this type holds a list; nothing for a field of anything else."""
    lists = [each for each in _alternatives(hint) if typing.get_origin(each) is tuple]
    items = [part_class(item) for each in lists for item in typing.get_args(each)]
    return next((item for item in items if item is not None), None)


def fits(value: Any, hint: Any) -> bool:
    """Whether a field of this type takes a value, a part among them as what `to_dict` gives."""
    try:
        return _conforms(_parse(value, hint, ""), hint)
    except ConfigError:
        return False


def _fields(cls: Any) -> dict[str, Any]:
    """Names and resolved type hints of a dataclass's fields, in order."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _is_required(field: dataclasses.Field) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def _conforms(value: Any, hint: Any) -> bool:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_conforms(value, alternative) for alternative in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(_conforms(item, arguments[0]) for item in value)
        return len(value) == len(arguments) and all(map(_conforms, value, arguments))
    if origin is dict:
        return isinstance(value, dict) and all(
            _conforms(name, arguments[0]) and _conforms(item, arguments[1]) for name, item in value.items()
        )
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return hint is Any or isinstance(value, origin or hint)


def _parse(value: Any, hint: Any, where: str) -> Any:
    """Turns what YAML or JSON can hold into what the field wants; anything else is left for the type check."""
    for alternative in _alternatives(hint):
        if isinstance(alternative, type) and issubclass(alternative, Config) and value is not None:
            return value if isinstance(value, Config) else alternative.from_dict(value, where)
        if typing.get_origin(alternative) is tuple and isinstance(value, list):
            items = [item for item in typing.get_args(alternative) if item is not Ellipsis]
            hints = [items[min(number, len(items) - 1)] for number in range(len(value))]
            return tuple(
                _parse(item, hint, f"{where}[{number}]")
                for number, (item, hint) in enumerate(zip(value, hints, strict=True))
            )
        if alternative is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as a string
            try:
                return float(value)
            except ValueError:
                continue
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _describe(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(alternative) for alternative in arguments)
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin is tuple:
        return "a list of " + " and ".join(_describe(a) for a in arguments if a is not Ellipsis)
    if origin is dict:
        return "a mapping of " + " to ".join(_describe(a) for a in arguments if a is not Any)
    return {
        int: "a whole number",
        float: "a number",
        str: "text",
        bool: "true or false",
        type(None): "nothing",
    }.get(hint, getattr(hint, "__qualname__", str(hint)))


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
