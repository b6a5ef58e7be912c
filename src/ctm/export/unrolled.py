"""A whole pass as one graph: what is prepared, and then the tick so many times."""

from typing import TYPE_CHECKING

from ctm.runtime.machine import NEXT

if TYPE_CHECKING:
    from onnx import ModelProto

DOMAIN = "ctm"
ANSWERS = ("logits", "certainty")


def unrolled(prepare: "ModelProto", tick: "ModelProto", ticks: int) -> "ModelProto":
    """From the inputs to the answers of all ticks, (batch, ticks, …), and how sure each is.

    The tick becomes a function of ONNX that is called so many times and then inlined: all copies share their weights,
    and nothing but plain operators is left.

    Args:
        prepare: what comes first.
        tick: what is repeated.
        ticks: how many times.
    """
    from onnx import GraphProto, helper, inliner

    weights = [weight.name for weight in tick.graph.initializer]
    taken, given = ([value.name for value in values] for values in (tick.graph.input, tick.graph.output))
    repeated = helper.make_function(
        DOMAIN, "Tick", [*taken, *weights], given, list(tick.graph.node), list(tick.opset_import)
    )
    graph = GraphProto()
    graph.CopyFrom(prepare.graph)
    for weight in tick.graph.initializer:
        graph.initializer.add().CopyFrom(weight)
        graph.initializer[-1].name = _of_the_tick(weight.name)
    held = {name: name for name in taken}  # what the latest values are called
    for number in range(ticks):
        arguments = [*(held[name] for name in taken), *map(_of_the_tick, weights)]
        made = {name: f"{name}.{number}" for name in given}
        graph.node.append(helper.make_node("Tick", arguments, list(made.values()), domain=DOMAIN))
        held |= {name.removeprefix(NEXT): value for name, value in made.items() if name.startswith(NEXT)}
    del graph.output[:]
    for value in filter(lambda value: value.name in ANSWERS, tick.graph.output):
        columns = [f"{value.name}.{number}" for number in range(ticks)]
        for column in columns:
            graph.node.append(helper.make_node("Unsqueeze", [column, "tick.axis"], [f"{column}.column"]))
        graph.node.append(helper.make_node("Concat", [f"{column}.column" for column in columns], [value.name], axis=1))
        batch, *sizes = (size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim)
        kind = value.type.tensor_type.elem_type
        graph.output.append(helper.make_tensor_value_info(value.name, kind, [batch, ticks, *sizes]))
    graph.initializer.append(helper.make_tensor("tick.axis", 7, [1], [1]))  # int64
    imports = [*tick.opset_import, helper.make_opsetid(DOMAIN, 1)]
    whole = helper.make_model(graph, functions=[repeated], opset_imports=imports, ir_version=tick.ir_version)
    whole = inliner.inline_local_functions(whole)
    del whole.opset_import[:]
    whole.opset_import.extend(tick.opset_import)
    return whole


def _of_the_tick(weight: str) -> str:
    """What a weight of the tick is called, since the preparation has others."""
    return f"tick.{weight}"
