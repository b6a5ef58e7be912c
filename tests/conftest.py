"""What all tests share."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)  # pytest runs one process per core
os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the network

settings.register_profile(
    "ctm", deadline=None, max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ctm")

DATA_VARIABLE = "CTM_DATA"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--data",
        default=os.environ.get(DATA_VARIABLE),
        help=f"folder with real data sets (mnist/, …) for the tests that need them; also ${DATA_VARIABLE}",
    )


@pytest.fixture(scope="session")
def data(request: pytest.FixtureRequest) -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = request.config.getoption("--data")
    if folder is None:
        pytest.skip(f"needs real data: give their folder as --data or ${DATA_VARIABLE}")
    return Path(folder)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """What an earlier test of the process changed does not matter."""
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def new_process() -> Iterator[Callable[[], None]]:
    """The test knows no Python file of a user's yet, as if its process were new; calling this makes it so again."""
    from plugin_files import forget_files  # imports the package, which is to be checked from its first import on

    patch = pytest.MonkeyPatch()
    forget_files(patch)

    def again() -> None:
        patch.undo()
        forget_files(patch)

    yield again
    patch.undo()
