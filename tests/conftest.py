"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)  # pytest runs one process per core

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
    torch.manual_seed(0)
