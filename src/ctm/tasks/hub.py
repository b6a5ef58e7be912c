"""Data sets from the Hugging Face hub."""

from typing import Any

from ctm.errors import DataError


def fetch(name: str, otherwise: str) -> Any:
    """The splits of a data set on the hub, or of a local folder that the package `datasets` reads.

    Args:
        name: of the data set.
        otherwise: what else to do, for the error.

    Raises:
        DataError: if the data set cannot be had.
    """
    try:
        import datasets  # ty: ignore[import-not-found]
    except ImportError as error:
        raise DataError(
            f"{name}: fetching it needs the package 'datasets': pip install 'continuous-thought-machines[hub]'; "
            f"or {otherwise}"
        ) from error
    try:
        return datasets.load_dataset(name)
    except Exception as error:  # the library raises many kinds, with and without a network
        raise DataError(f"{name}: not to be had from the hub ({type(error).__name__}: {error}); {otherwise}") from error
