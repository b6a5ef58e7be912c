"""Gymnasium and MiniGrid, which are there with the extra `control`."""

from types import ModuleType

from ctm.errors import ConfigError

SMALL_FOUR_ROOMS = "MiniGrid-SmallFourRooms-v0"


def gymnasium() -> ModuleType:
    """The library of environments.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise _missing(error) from error
    return gymnasium


def register_minigrid() -> None:
    """Makes the environments of MiniGrid known to Gymnasium, and `MiniGrid-SmallFourRooms-v0`.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        import minigrid  # noqa: F401
    except ImportError as error:
        raise _missing(error) from error
    if SMALL_FOUR_ROOMS not in gymnasium().registry:
        gymnasium().register(SMALL_FOUR_ROOMS, entry_point="ctm.control.small_rooms:SmallFourRooms")


def _missing(error: ImportError) -> ConfigError:
    return ConfigError(f"environments: {error}: pip install 'continuous-thought-machines[control]'")
