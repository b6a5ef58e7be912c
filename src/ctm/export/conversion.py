"""A part of a forward pass as an ONNX model, by `torch.export`."""

from typing import TYPE_CHECKING, Any

import torch
from torch.export import Dim

from ctm.errors import ConfigError
from ctm.export.graphs import Graph
from ctm.export.quiet import quiet

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 18
"""Version of the operators: the one that PyTorch writes without converting it, and all current runtimes read."""


def to_model(graph: Graph) -> "ModelProto":
    """The ONNX model of a part. It takes any number of samples; all other sizes are those of the example.

    Raises:
        ConfigError: if it cannot be exported.
    """
    sizes = {0: Dim("batch")}
    try:
        with torch.no_grad(), quiet():
            program = torch.export.export(
                graph,
                tuple(graph.inputs.values()),
                dynamic_shapes=((sizes,) * len(graph.inputs),),
                strict=False,
            )
            names: Any = {"input_names": list(graph.inputs), "output_names": list(graph.outputs)}
            made = torch.onnx.export(program, (), **names, opset_version=OPSET, dynamo=True, verbose=False)
    except Exception as error:  # PyTorch raises many kinds
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(
            f"export: the part '{type(graph).__name__.lower()}' of this machine cannot be exported: {reason}; what is "
            "of one's own must be made of PyTorch's operators, without control flow that depends on numbers"
        ) from error
    assert made is not None
    model = made.model_proto
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return model
