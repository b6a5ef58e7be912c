"""README.md and docs/ are true: what they show runs or is checked, as `pages` describes; and their site."""

import contextlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import ctm
from ctm import plugins
from ctm.cli import main
from ctm.cli.app import app
from ctm.cli.options import experiments_of, load_config, training_app, with_options, with_settings
from ctm.training import Experiment
from pages import DOCS, NOT_CODE, ROOT, WITH_BLOCKS, Block, blocks, words_of

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
FILE = re.compile(r"# (\w+\.py)\n")
SITE = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]


# -------------------------------------------------------------------------- arguments of programs, without running them


def _is_there(preset: str) -> bool:
    """Whether what is named as a preset can be looked at: no PLACEHOLDER, and no file that only the reader has."""
    if preset.endswith((".py", ".yaml")) or ".py:" in preset:
        return Path(preset.partition(":")[0]).is_file()
    return preset.upper() != preset and not preset.startswith("runs/")


def check_ctm(arguments: list[str]) -> None:
    """Raises what the program would say about these arguments."""
    known = True
    while "--import" in arguments:
        place = arguments.index("--import")
        if Path(arguments[place + 1]).is_file():
            plugins.load(arguments[place + 1])
        else:
            known = False
        arguments = arguments[:place] + arguments[place + 2 :]
    if {"--help", "--version"} & set(arguments):
        assert not arguments or arguments[0].startswith("-") or arguments[0] in app
        arguments = [word for word in arguments if word not in ("--help", "--version")]
        if len(arguments) < 2:
            return
    command, *rest = arguments
    if command == "train" and "--resume" not in rest:
        if known and _is_there(rest[0]):
            _, bound, _ = training_app(rest[0], rest[1:]).parse_args(rest[1:], exit_on_error=False, print_error=False)
            settings = bound.arguments.get("settings")
            if settings is not None:
                with_settings(Experiment, settings)
        return
    _, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    if command == "compare":
        presets = list(bound.arguments.get("presets", ()))
        first = next((place for place, word in enumerate(presets) if word.startswith("-")), len(presets))
        known = [preset for preset in presets[:first] if _is_there(preset)] or ["digits"] * bool(presets[first:])
        experiments_of([*known, *presets[first:]])
    if command == "presets" and _is_there(bound.arguments.get("name", "PLACEHOLDER")):
        settings = list(bound.arguments.get("settings", ()))
        with_options(bound.arguments["name"], settings) if settings else load_config(bound.arguments["name"])


def check_make(arguments: list[str]) -> None:
    targets = [word for word in arguments if "=" not in word]
    assert set(targets) <= set(TARGETS), f"make {targets}: the Makefile has {TARGETS}"


def check_pip(arguments: list[str]) -> None:
    for extras in re.findall(r"\[([\w,]+)\]", " ".join(arguments)):
        assert set(extras.split(",")) <= set(PYPROJECT["project"]["optional-dependencies"]), extras


def check_python(arguments: list[str]) -> None:
    """The file is there, and its parser takes the arguments."""
    if arguments[0] == "-c":
        compile(arguments[1], "-c", "exec")
        return
    if arguments[0] == "-m":
        assert importlib.util.find_spec(arguments[1].partition(".")[0]), arguments[1]
        return
    path = ROOT / arguments[0]
    assert path.is_file(), f"{arguments[0]}: no such file"
    text = path.read_text(encoding="utf-8")
    used = {word.partition("=")[0] for word in arguments[1:] if word.startswith("--")}
    for option in used:
        assert f'"{option}"' in text, f"{arguments[0]} {option}: no such option"


def check_torchrun(arguments: list[str]) -> None:
    check_ctm(arguments[arguments.index("ctm") + 1 :])


def check_marimo(arguments: list[str]) -> None:
    assert (ROOT / arguments[1]).is_file(), f"{arguments[1]}: no such file"


def nothing_to_check(arguments: list[str]) -> None:
    pass


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "ctm": check_ctm,
    "make": check_make,
    "marimo": check_marimo,
    "pip": check_pip,
    "python": check_python,
    "torchrun": check_torchrun,
    **dict.fromkeys(("printf", "git", "cd", "tensorboard", "sbatch", "uv"), nothing_to_check),
}


def check(command: str) -> None:
    words = words_of(command)
    assert words[0] in CHECKS, f"{command!r}: not a command that is known; fence it with a language, as text perhaps"
    CHECKS[words[0]](words[1:])


# ------------------------------------------------------------------------------------------------------- running a page


def run(command: str) -> None:
    """Runs a command: here, or in a process of its own what needs a shell, or is not exported with checks of types."""
    words = words_of(command)
    if words[0] == "ctm" and words[1] != "export" and not re.search(r"[|>]", command.partition(" #")[0]):
        with contextlib.suppress(SystemExit):
            assert main(words[1:]) == 0, command
        return
    program = f'ctm() {{ {sys.executable} -m ctm.cli "$@"; }}; set -o pipefail'
    subprocess.run(["bash", "-c", f"{program}\n{command}"], check=True, capture_output=True, text=True)


def run_page(page: str) -> dict:
    """Runs and checks all blocks of a page, here; returns the names that its Python has made."""
    names: dict = {"__name__": "__main__"}
    found = list(blocks((ROOT / page).read_text(encoding="utf-8")))
    for block in found:
        if file := FILE.match(block.text):
            Path(file[1]).write_text(block.text, encoding="utf-8")
    for block in found:
        where = f"{page}:{block.line}"
        try:
            run_block(block, names, where)
        except BaseException as error:
            error.add_note(f"in the block at {where}")
            raise
    return names


def run_block(block: Block, names: dict, where: str) -> None:
    if block.language == "python":
        code = compile(block.text, where, "exec")
        if block.reason is None and not FILE.match(block.text):
            exec(code, names)
    elif block.language in ("sh", "indented"):
        for command in block.commands:
            check(command)
            if block.reason is None:
                run(command)
    elif block.language == "yaml":
        yaml.safe_load(block.text)
    else:
        assert block.language in NOT_CODE, f"{where}: ```{block.language}: neither run nor checked"


def _inside(names: dict) -> None:
    assert names["record"].attention.shape[:2] == (8, 15)
    assert names["record"].output is None
    assert names["matrix"].shape == (8, 15, 3, 3)
    assert len(names["speed"]) == 15
    assert not names["faded"].logits.equal(names["lesioned"].logits)
    assert names["direction"].grad.all()
    assert names["answers"].answers.shape == (8, 10)
    assert names["thoughts"].logits.shape == (2, 2, 10)
    assert names["stream"].state.ticks.tolist() == [10, 0]


def _analysis(names: dict) -> None:
    from ctm.analysis.similarity import dead, similarity_across_data

    assert names["seen"].accuracy("mean", top=5).shape == (15,)
    assert Path("accuracy.png").stat().st_size > 1000
    assert similarity_across_data(names["activity"]).shape == (28,)
    assert dead(names["activity"]).shape == (128,)


def _baselines(names: dict) -> None:
    assert (names["baseline"].model.core.layers, names["baseline"].task.loss.second_tick) == (2, "last")


def _answers(names: dict) -> None:
    assert names["thoughts"].logits.shape[1:] == (names["model"].config.ticks, 10)


AFTERWARDS = {
    "README.md": _answers,
    "docs/architecture.md": _answers,
    "docs/inside.md": _inside,
    "docs/analysis.md": _analysis,
    "docs/baselines.md": _baselines,
}
"""What is true after a page has run."""


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("new_process")
@pytest.mark.parametrize("page", WITH_BLOCKS)
def test_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    AFTERWARDS.get(page, nothing_to_check)(run_page(page))


# ------------------------------------------------------------------------------------------------------------- the site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with every warning an error."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("docs", "tools", "src/ctm"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "models"))
    for name in ("zensical.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "griffe:" not in built.stderr + built.stdout, built.stderr + built.stdout  # docstrings that do not fit
    return folder / "site"


@pytest.fixture(scope="module")
def sections(site: Path) -> list[dict]:
    """What the search knows, section by section."""
    return json.loads((site / "search.json").read_text(encoding="utf-8"))["items"]


def test_every_page_is_in_the_navigation(site: Path) -> None:
    listed = set(re.findall(r"'([\w/-]+\.md)'", str(SITE["nav"])))
    assert listed == {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.parent.name != "benchmarks"}


def test_pages_fetch_nothing_from_other_places(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]* src=\"?(?:https?:)?//[^>]*>", text), page
        assert not re.findall(r"<link[^>]* href=\"?(?:https?:)?//[^>]*>", text), page


def test_the_search_finds_every_option_and_every_public_name(sections: list[dict]) -> None:
    texts = {section["location"]: section["text"] for section in sections}
    for name in app:
        if not name.startswith("-"):
            for argument in app[name].assemble_argument_collection(default_parameter=app.default_parameter):
                for option in argument.names if argument.show else ():
                    assert f"<code>{option}</code>" in texts[f"commands.html#ctm-{name}"], (name, option)
    everything = " ".join(text for place, text in texts.items() if place.startswith("commands.html#"))
    for argument in training_app("digits").assemble_argument_collection():
        assert not argument.show or f"<code>{argument.name}</code>" in everything, argument.name
    titles = {section["title"].partition(" ")[0] for section in sections if section["location"].startswith("api/")}
    assert 'targets: Int[Tensor, " B *answer"]' in texts["api/losses.html#ctm.cross_entropy_over_ticks"]
    assert "&gt;&gt;&gt;" not in texts["api/machine.html#ctm.ContinuousThoughtMachine"]
    modules = {name for name in ctm.__all__ if inspect.ismodule(getattr(ctm, name))}
    assert not {*ctm.__all__} - modules - titles


@pytest.mark.parametrize("page", [page.name for page in ROOT.glob("*.md")])
def test_links_of_pages_outside_of_the_site_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)\s]*)\)", text):
        path, _, anchor = target.partition("#")
        linked = ROOT / (path or page)
        assert linked.exists(), f"{page}: {target}"
        headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in [re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings], target


def test_the_page_of_commands_is_up_to_date() -> None:
    """In a process of its own, which knows no kinds and presets of other tests."""
    made = "import make_commands, sys; sys.exit(make_commands.PAGE.read_text(encoding='utf-8') != make_commands.page())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tools"), str(ROOT / "src")])}
    found = subprocess.run([sys.executable, "-c", made], env=environment)
    assert found.returncode == 0, "say: python tools/make_commands.py"
