import subprocess
import sys

import pytest

import ctm


def loaded_by(program):
    """The names of all modules that a program leaves behind in a process of its own."""
    program += "\nimport sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


HEAVY = {"torch", "lightning", "matplotlib", "sklearn", "PIL", "imageio_ffmpeg", "numpy"}


def test_importing_the_package_costs_nothing():
    modules = loaded_by("import ctm; ctm.__version__; dir(ctm)")
    assert "ctm" in modules
    assert not modules & HEAVY


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["train", "--help"], ["evaluate", "--help"], ["oops"]]
)
def test_help_and_mistakes_are_answered_at_once(arguments):
    modules = loaded_by(f"from ctm.cli import main; main({arguments!r})")
    assert "ctm.cli" in modules
    assert not modules & HEAVY


def test_the_model_needs_neither_trainer_nor_pictures():
    modules = loaded_by("import ctm, torch; ctm.build('digits')(torch.ones(1, 1, 8, 8))")
    assert not modules & {"lightning", "matplotlib", "sklearn", "PIL", "imageio_ffmpeg", "tensorboard"}


@pytest.mark.parametrize("name", ctm.__all__)
def test_every_public_name_resolves(name):
    value = getattr(ctm, name)
    assert value is not None
    assert getattr(value, "__name__", name).split(".")[-1] in (name, "_")


def test_public_names_are_listed():
    assert set(ctm.__all__) <= set(dir(ctm))
    assert {"build", "preset", "presets", "MachineConfig", "Thoughts", "train", "Run"} <= set(ctm.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = ctm.no_such_name
