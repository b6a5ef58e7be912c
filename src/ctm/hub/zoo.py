"""The models in the package: small ones, trained by its presets, each in a folder named after its preset."""

from pathlib import Path

from ctm.saving import CONFIG

FOLDER = Path(__file__).parent / "models"


def zoo() -> list[str]:
    """The names of the models in the package, for `ctm.load` and the command line."""
    return sorted(path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.rglob(CONFIG))


def zoo_folder(name: str) -> Path | None:
    """The folder of a model in the package; nothing if there is none of this name."""
    return FOLDER / name if name in zoo() else None
