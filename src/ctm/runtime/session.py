"""A graph of an exported machine, called with arrays by name."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ctm.errors import ConfigError, DataError

TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    **{f"tensor({name})": np.dtype(name) for name in ("int8", "int16", "int32", "int64")},
    **{f"tensor({name})": np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64", "bool")},
}
"""What ONNX Runtime calls the types of arrays."""


class Session:
    """An ONNX file in ONNX Runtime, on the CPU.

    What goes in and comes out are values of ONNX Runtime, so that a state is not copied at every tick.

    Args:
        path: the file.
        threads: how many to compute with; by default as many as there are cores.

    Attributes:
        inputs: by name, shape and type of a batch; the first size is no number, since it may be any.

    Raises:
        ConfigError: without ONNX Runtime.
        DataError: if the file cannot be read.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ConfigError(f"{path}: needs the package 'onnxruntime': pip install onnxruntime") from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its own kinds of errors have no common base
            reason = str(error).strip().split("\n")[0]
            raise DataError(f"{path}: cannot be read ({reason}); expected what 'ctm export' wrote") from None
        self._value = onnxruntime.OrtValue.ortvalue_from_numpy
        self.inputs = {each.name: (each.shape, TYPES[each.type]) for each in self._session.get_inputs()}

    @property
    def metadata(self) -> dict[str, str]:
        """What stands in the file besides the graph."""
        return self._session.get_modelmeta().custom_metadata_map

    def in_order(self, arrays: Sequence[Any]) -> dict[str, Any]:
        """Arrays in the order of the inputs, as `values`.

        Raises:
            ValueError: as there, and if there are more or fewer.
        """
        if len(arrays) != len(self.inputs):
            raise ValueError(f"{len(arrays)} arrays: expected {len(self.inputs)}, for {', '.join(self.inputs)}")
        return self.values(dict(zip(self.inputs, arrays, strict=True)))

    def values(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Arrays by name, as values.

        Raises:
            ValueError: for one of another shape or type than was exported, or of another number of samples than others.
        """
        checked = {name: self._checked(name, array) for name, array in arrays.items()}
        samples = {name: len(array) for name, array in checked.items()}
        if len(set(samples.values())) > 1:
            raise ValueError(f"samples: expected equally many of each, found {samples}")
        return {name: self._value(array) for name, array in checked.items()}

    def __call__(self, values: Mapping[str, Any], outputs: Iterable[str]) -> dict[str, Any]:
        """The values of some outputs, by name."""
        names = list(outputs)
        return dict(zip(names, self._session.run_with_ort_values(names, dict(values)), strict=True))

    def _checked(self, name: str, array: Any) -> np.ndarray:
        """An array in the type that was exported."""
        shape, kind = self.inputs[name]
        array = np.asarray(array)
        if array.ndim != len(shape) or list(array.shape[1:]) != shape[1:] or not len(array):
            expected = ", ".join(["B", *map(str, shape[1:])])
            raise ValueError(f"{name} of shape {array.shape}: expected ({expected}) with B at least 1, as exported")
        if not np.can_cast(array.dtype, kind, "same_kind"):
            raise ValueError(f"{name} of {array.dtype}: expected {np.dtype(kind)}")
        return np.ascontiguousarray(array, kind)
