"""Data sets from the Hugging Face hub."""

from pathlib import Path
from typing import Any, Literal

from ctm.errors import DataError


def fetch(name: str, otherwise: str, load: Literal["load_dataset", "load_dataset_builder"] = "load_dataset") -> Any:
    """The splits of a data set on the hub, or of what the library `datasets` reads on this machine.

    Args:
        name: of the data set; or a folder, or a Parquet file, whose only split is then "train".
        otherwise: what else to do, for the error.
        load: which function of the library to call; its builder says where the files are, and fetches none.

    Raises:
        DataError: if the data set cannot be had.
    """
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"{name}: reading it needs the package 'datasets': pip install 'continuous-thought-machines[hub]'; "
            f"or {otherwise}"
        ) from error
    try:
        if Path(name).is_file():
            return getattr(datasets, load)("parquet", data_files={"train": name})
        return getattr(datasets, load)(name)
    except Exception as error:  # the library raises many kinds, with and without a network
        what = "cannot be read" if Path(name).exists() else "no such folder here, and not to be had from the hub"
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"{name}: {what} ({reason}); {otherwise}") from error
