"""Weights in eight bits, by the quantisation tool of ONNX Runtime."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ctm.export.quiet import quiet

if TYPE_CHECKING:
    from onnx import ModelProto


def with_int8_weights(model: "ModelProto") -> "ModelProto":
    """The same graph with the matrices of linear maps in eight bits, with a scale for each output.

    What they are multiplied by is rounded to eight bits, too, with a scale found anew each time. Convolutions, the
    private models of neurons and everything else stay in float32.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model, path, op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
        )
        return onnx.load(path)
