"""Tasks, parts and presets of one's own: Python files and packages that a command or a run imports.

A file is imported once, under a name made of its path, so that its classes are the same wherever it is asked for. A run
whose configuration has parts that are not of this package keeps beside it, in `plugins.json`, where they come from.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import json
import re
import sys
import traceback
from collections.abc import Callable, Generator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ctm.config import Config, load_yaml
from ctm.errors import ConfigError

ConfigT = TypeVar("ConfigT", bound=Config)

GROUP = "ctm.plugins"
"""The entry points of installed packages that register presets or define parts."""
RECORD = "plugins.json"
"""The file beside a configuration that says what to import before it is read."""

_FILES: dict[Path, ModuleType] = {}
"""The files that were imported, by absolute path."""
_ORIGINS: dict[str, Path] = {}
"""The file that brought a module, be it the file itself or what it imports, by the module's name."""


def load(source: str | Path) -> ModuleType:
    """Imports a Python file, or a package by its name.

    Args:
        source: a path that ends in .py, or the name of a package or module. Modules beside the file can be imported.

    Raises:
        ConfigError: if there is none, or it cannot be imported; the message names the file and the line.
    """
    name = str(source)
    if name.endswith(".py"):
        return _load_file(Path(source))
    if name in sys.modules:
        return sys.modules[name]
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top) if top.isidentifier() else None
    if spec is None:
        expected = "a file, PATH.py, or a package that is installed or in a folder of PYTHONPATH"
        raise ConfigError(f"import {name!r}: not found; expected {expected}")
    folders = spec.submodule_search_locations or [spec.origin or name]
    with blamed(*folders):
        return importlib.import_module(name)


def _load_file(path: Path) -> ModuleType:
    path = path.resolve()
    if path not in _FILES:
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
        _FILES[path] = _imported(path) or _execute(path)
        _ORIGINS[_FILES[path].__name__] = path
    return _FILES[path]


def _imported(path: Path) -> ModuleType | None:
    """The module of a file that was imported in another way, or is the script that runs."""
    everything = list(sys.modules.values())
    alike = [module for module in everything if str(getattr(module, "__file__", None)).endswith(path.name)]
    return next((module for module in alike if _file_of(module) == path), None)


def _execute(path: Path) -> ModuleType:
    """Runs a file as a module with a name of its own; it may import what stands beside it."""
    name = f"ctm_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    spec: Any = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    before = set(sys.modules)
    sys.modules[name] = module  # where dataclasses look for the names in their annotations
    sys.path.insert(0, str(path.parent))
    try:
        with blamed(path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    for brought in set(sys.modules) - before:
        _ORIGINS.setdefault(brought, path)
    return module


def _file_of(module: Any) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) else None


@contextlib.contextmanager
def blamed(*sources: str | Path) -> Generator[None, None, None]:
    """Turns whatever the code of a user raises into one line that says where in it.

    Args:
        sources: the file, or the folders, of the code.

    Raises:
        ConfigError: instead of any other error.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        places = [(frame.filename, frame.lineno) for frame in frames if _is_inside(frame.filename, sources)]
        file, line = places[-1] if places else (sources[0], None)
        words = str(error)
        if isinstance(error, SyntaxError):
            file, line, words = error.filename, error.lineno, error.msg
        where = str(file) if line is None else f"{file}, line {line}"
        raise ConfigError(f"{where}: {type(error).__name__}: {words}") from error


def _is_inside(file: str, sources: tuple[str | Path, ...]) -> bool:
    return any(Path(source) in (Path(file), *Path(file).parents) for source in sources)


@functools.cache
def load_installed() -> None:
    """Imports what installed packages name as entry points `ctm.plugins`; what fails is told on standard error."""
    for entry in sorted(entry_points(group=GROUP)):
        try:
            with blamed(entry.value):
                entry.load()
        except ConfigError as error:
            print(f"ctm: entry point {entry.name!r} of {GROUP}: {' '.join(str(error).split())}", file=sys.stderr)


def files() -> list[Path]:
    """The files that were imported, in that order."""
    return list(_FILES)


def name_of(function: Callable[..., Any]) -> str | None:
    """How a configuration file names a function: FILE.py:function or package.module:function.

    Returns:
        nothing for what cannot be imported: made inside a function, or in a notebook.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<>")
    if module is None or "<" in name:
        return None
    path = origin(module)
    if path is not None and _file_of(sys.modules[module]) == path:
        return f"{path.name}:{name}"
    return None if module == "__main__" else f"{module}:{name}"


def find(name: str) -> Any:
    """What `name_of` named; if no imported file has the name, it may be in one that was renamed.

    Raises:
        ConfigError: if it is not there, or in several files.
    """
    source, _, path = name.partition(":")
    if source.endswith(".py"):
        modules = [module for file, module in _FILES.items() if file.name == source] or list(_FILES.values())
    else:
        modules = [load(source)]
    found = [_attribute(module, path) for module in modules]
    found = [value for value in found if value is not None]
    if len(found) != 1:
        missing = f"{len(found)} imported files have it" if found else "not found"
        raise ConfigError(f"{name}: {missing}; expected FILE.py:function of one imported file, or package:function")
    return found[0]


def _attribute(module: Any, path: str) -> Any:
    return functools.reduce(lambda value, name: getattr(value, name, None), path.split("."), module)


def module_of(name: str) -> str:
    """The module of what `name_of` named."""
    return find(name).__module__


def record(config: Config) -> str | None:
    """What has to be imported before a configuration can be read back, as the content of `plugins.json`.

    Returns:
        nothing for a configuration of the parts of this package alone.
    """
    needed: dict[str, dict[str, str]] = {}
    for module in _modules(config):
        path = origin(module)
        if module.partition(".")[0] == "ctm":
            continue
        if path is not None:
            needed[str(path)] = {"file": str(path), "sha256": digest(path)}
        elif module != "__main__":  # a notebook, which nothing can import
            needed[module] = {"module": module}
    return json.dumps(list(needed.values()), indent=2) + "\n" if needed else None


def _modules(config: Config) -> Generator[str, None, None]:
    """The modules that define the parts of a configuration."""
    yield from config.modules()
    for value in vars(config).values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Config):
                yield from _modules(part)


def origin(module: str) -> Path | None:
    """The file that brought a module: one that was imported by its path, or the script that runs."""
    main = sys.modules["__main__"]
    if module == "__main__" and main.__spec__ is None:  # not as `python -m`
        return _file_of(main)
    return _ORIGINS.get(module)


def digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_config(cls: type[ConfigT], path: Path) -> ConfigT:
    """Reads a configuration from a YAML file, after importing what the `plugins.json` beside it names.

    A file that has changed since is told on standard error.

    Raises:
        ConfigError: if something of it cannot be imported, or the configuration cannot be read.
    """
    load_installed()
    missing = _import_recorded(path.with_name(RECORD))
    try:
        config = load_yaml(cls, path)
        if missing:
            record(config)  # finds functions, which are looked for when they are called
        return config
    except ConfigError as error:
        if not missing:
            raise
        raise ConfigError(
            f"{path.parent}: needs {' and '.join(missing)}, which is not there any more; if it has moved, give "
            f"--import NEW_PATH ({error})"
        ) from None


def _import_recorded(path: Path) -> list[str]:
    """Imports what a record names, and returns the files that are not there; they may have come from another place."""
    missing = []
    for source, expected in _recorded(path):
        if expected is not None and not Path(source).is_file():
            missing.append(source)
            continue
        load(source)
        if expected is not None and digest(Path(source)) != expected:
            print(f"ctm: note: {source} has changed since {path.parent} was made", file=sys.stderr)
    return missing


def _recorded(path: Path) -> list[tuple[str, str | None]]:
    """The files with their digests, and the modules, that a record names."""
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [(entry["file"], entry["sha256"]) if "file" in entry else (entry["module"], None) for entry in entries]
    except (OSError, ValueError, TypeError, KeyError) as error:
        expected = 'a list of {"file": …, "sha256": …} and {"module": …}'
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__}: {error}); expected {expected}") from None


def split_name(source: str) -> tuple[str, str | None] | None:
    """The file and the name of the preset of `my_task.py` or `my_task.py:name`; nothing for any other text."""
    found = re.fullmatch(r"(.+\.py)(?::(.+))?", source)
    return (found[1], found[2]) if found else None
