"""Trained machines as ONNX files, which run without PyTorch: `ctm.runtime` and any other runtime of ONNX reads them."""

from ctm.export.files import to_onnx

__all__ = ["to_onnx"]
